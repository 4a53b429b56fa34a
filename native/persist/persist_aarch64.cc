// Owns the cache maintenance of 64-bit ARM: "clean to the point of persistence", if the processor has it.
#include "persist/persist.h"

#if defined(__aarch64__)

#include <sys/auxv.h>

#ifndef HWCAP_DCPOP
#define HWCAP_DCPOP (1 << 16)
#endif

namespace dax {
namespace {

// DC CVAP by its encoding, which assemblers for ARMv8.0 do not know by name.
void CleanToPersistence(const char* line, size_t bytes) {
  for (const char* end = line + bytes; line < end; line += kCacheLine) {
    asm volatile("sys #3, c7, c12, #1, %0" : : "r"(line) : "memory");
  }
}

void CleanToCoherency(const char* line, size_t bytes) {
  for (const char* end = line + bytes; line < end; line += kCacheLine) {
    asm volatile("dc cvac, %0" : : "r"(line) : "memory");
  }
}

void CleanAndInvalidate(const char* line, size_t bytes) {
  for (const char* end = line + bytes; line < end; line += kCacheLine) {
    asm volatile("dc civac, %0" : : "r"(line) : "memory");
  }
}

void Fence() {
  asm volatile("dsb ish" : : : "memory");
}

// A barrier for the full system, because the memory may have observers outside this machine.
void FullFence() {
  asm volatile("dsb sy" : : : "memory");
}

}  // namespace

// HWCAP_DCPOP is trusted, and the instruction is not tried first: the bit is part of the kernel's interface,
// and a trial needs a handler of SIGILL that other threads would run into. The user emulation of QEMU 7.2
// sets the bit without keeping its promise; with -cpu cortex-a72 it does not set it.
const CpuOps* DetectArm64() {
  static const bool persistence = (getauxval(AT_HWCAP) & HWCAP_DCPOP) != 0;
  static const CpuOps cpu = {
      persistence ? "dc cvap" : "dc cvac",
      persistence ? CleanToPersistence : CleanToCoherency,
      Fence,
      nullptr,
      nullptr,
      0,
      CleanAndInvalidate,
      FullFence,
  };
  return &cpu;
}

}  // namespace dax

#else

namespace dax {
const CpuOps* DetectArm64() {
  return nullptr;
}
}  // namespace dax

#endif
