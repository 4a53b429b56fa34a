#include "napi/device/device_handle.h"

#include <algorithm>
#include <cerrno>

namespace dax {

bool GetDevice(const Args& args, DaxDevice** device) {
  return args.External(0, reinterpret_cast<void**>(device));
}

int CheckWritable(const DaxDevice& device) {
  return device.source && device.source->read_only() ? -EROFS : 0;
}

int CheckRange(const DaxDevice& device, uint64_t pos, uint64_t length) {
  if (!device.source) return -EBADF;
  if (!device.mapping) return length == 0 ? 0 : -EINVAL;
  const uint64_t size = device.mapping->length();
  return pos <= size && length <= size - pos ? 0 : -EINVAL;
}

int ClipToDevice(const DaxDevice& device, uint64_t pos, uint64_t* length) {
  if (!device.source) return -EBADF;
  const uint64_t size = device.mapping ? device.mapping->length() : 0;
  *length = pos < size ? std::min(*length, size - pos) : 0;
  return 0;
}

std::shared_ptr<const Backing> GetBacking(const Args& args, size_t index, int* error) {
  DaxDevice* device;
  *error = 0;
  if (!args.External(index, reinterpret_cast<void**>(&device))) return nullptr;
  if (!device->source || !device->mapping) {
    *error = device->source ? -EINVAL : -EBADF;
    return nullptr;
  }
  if (!device->backing) {
    const Mapping& mapping = *device->mapping;
    device->backing =
        std::make_shared<Backing>(Backing{device->source, mapping.persistence(), mapping.map_sync()});
  }
  return device->backing;
}

}  // namespace dax
