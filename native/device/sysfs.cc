#include "device/sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace dax {
namespace {

std::string RealPath(const std::string& path) {
  std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), free);
  return real ? std::string(real.get()) : std::string();
}

void CloseDirectory(DIR* open) {
  closedir(open);
}

}  // namespace

std::string SysfsDirectory(DeviceClass device_class, dev_t number) {
  const char* folder = device_class == DeviceClass::kChar ? "/sys/dev/char/" : "/sys/dev/block/";
  return RealPath(folder + std::to_string(major(number)) + ":" + std::to_string(minor(number)));
}

std::string SysfsSubsystem(const std::string& directory) {
  const std::string real = directory.empty() ? directory : RealPath(directory + "/subsystem");
  return real.substr(real.rfind('/') + 1);
}

std::optional<std::string> SysfsText(const std::string& directory, const char* attribute) {
  if (directory.empty()) return std::nullopt;
  const int fd = open((directory + "/" + attribute).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  char text[256];
  const ssize_t length = read(fd, text, sizeof text);
  close(fd);
  if (length < 0) return std::nullopt;
  std::string value(text, static_cast<size_t>(length));
  value.erase(value.find_last_not_of(" \n") + 1);
  return value;
}

std::optional<uint64_t> SysfsNumber(const std::string& directory, const char* attribute) {
  const std::optional<std::string> text = SysfsText(directory, attribute);
  if (!text || text->empty() || (*text)[0] == '-') return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const uint64_t value = strtoull(text->c_str(), &end, 0);
  if (errno != 0 || *end != '\0') return std::nullopt;
  return value;
}

std::vector<std::string> SysfsNames(const std::string& directory, const std::string& prefix) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, decltype(&CloseDirectory)> entries(opendir(directory.c_str()), CloseDirectory);
  if (!entries) return names;
  while (const dirent* entry = readdir(entries.get())) {
    const std::string name = entry->d_name;
    if (name.size() <= prefix.size() || name.compare(0, prefix.size(), prefix) != 0) continue;
    if (name.find_first_not_of("0123456789", prefix.size()) == std::string::npos) names.push_back(name);
  }
  return names;
}

std::string SysfsAncestorWith(std::string directory, const char* attribute) {
  while (directory.size() > sizeof "/sys") {
    if (access((directory + "/" + attribute).c_str(), F_OK) == 0) return directory;
    directory.erase(directory.rfind('/'));
  }
  return std::string();
}

std::string SysfsBackingDisk(const std::string& directory) {
  if (directory.empty()) return directory;
  std::unique_ptr<DIR, decltype(&CloseDirectory)> slaves(opendir((directory + "/slaves").c_str()),
                                                         CloseDirectory);
  if (!slaves) return directory;
  std::string only;
  while (const dirent* entry = readdir(slaves.get())) {
    if (entry->d_name[0] == '.') continue;
    if (!only.empty()) return std::string();
    only = RealPath(directory + "/slaves/" + entry->d_name);
  }
  return only.empty() ? directory : SysfsBackingDisk(only);
}

}  // namespace dax
