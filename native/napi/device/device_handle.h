// Owns the object behind a device's handle, and the checks of what a call asks of it.
#ifndef NODE_DAX_NATIVE_DEVICE_HANDLE_H_
#define NODE_DAX_NATIVE_DEVICE_HANDLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "device/backing.h"
#include "device/mapping.h"
#include "device/source.h"
#include "napi/args.h"

namespace dax {

// The object behind a handle. Only the thread of its environment uses it: copies on the pool hold the
// mapping, not this object.
struct DaxDevice {
  std::shared_ptr<Source> source;         // null once closed
  std::shared_ptr<Mapping> mapping;       // null once closed and while the file is empty
  std::shared_ptr<Mapping> view_mapping;  // of a read-only device, made by its first view
  std::optional<Granularity> forced;
  std::shared_ptr<const Backing> backing;  // made when it is first asked for
  // Every mapping that an ArrayBuffer may show. A resized file has one for each of its sizes.
  std::vector<std::weak_ptr<Mapping>> mappings;
};

// Returns false, with a TypeError pending, if the first argument is no handle.
bool GetDevice(const Args& args, DaxDevice** device);

// Returns 0, or -EROFS for a device that was opened for reading.
int CheckWritable(const DaxDevice& device);

// Returns 0, -EBADF for a closed device, or -EINVAL for a range outside the device, which src/ should have
// clipped or refused.
int CheckRange(const DaxDevice& device, uint64_t pos, uint64_t length);

// Shortens a copy to the end of the device. Returns 0 or -EBADF.
int ClipToDevice(const DaxDevice& device, uint64_t pos, uint64_t* length);

// Returns the device of the handle at `index`, for mappings of a file on it: always the same object. Returns
// null with a TypeError pending, or with -EBADF in `error` once the device is closed.
std::shared_ptr<const Backing> GetBacking(const Args& args, size_t index, int* error);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_DEVICE_HANDLE_H_
