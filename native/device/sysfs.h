// Owns the attributes of devices that the kernel shows under /sys.
#ifndef NODE_DAX_NATIVE_SYSFS_H_
#define NODE_DAX_NATIVE_SYSFS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dax {

enum class DeviceClass { kChar, kBlock };

// The real directory of a device number, or an empty string if sysfs does not show the device.
std::string SysfsDirectory(DeviceClass device_class, dev_t number);

// The name of the device's subsystem ("dax", "block", "mem"), or an empty string.
std::string SysfsSubsystem(const std::string& directory);

// One attribute as text without its newline, or nothing if it is absent or unreadable.
std::optional<std::string> SysfsText(const std::string& directory, const char* attribute);

// One attribute as a number, decimal or 0x-hexadecimal.
std::optional<uint64_t> SysfsNumber(const std::string& directory, const char* attribute);

// The names in the directory that consist of `prefix` and a number.
std::vector<std::string> SysfsNames(const std::string& directory, const std::string& prefix);

// The nearest directory, from `directory` upwards, that has the attribute. This finds the region of a pmem
// disk, which is an ancestor of the disk.
std::string SysfsAncestorWith(std::string directory, const char* attribute);

// The directory of the device whose memory a block device shows: its own, that of a partition's disk, or that
// of the only slave of a device-mapper target. Empty if the target spreads over several devices.
std::string SysfsBackingDisk(const std::string& directory);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_SYSFS_H_
