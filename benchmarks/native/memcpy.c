// A read without Node: one copy from the mapping.
#include "trial.h"

static void Read(char* device, char* buffer, size_t bytes) {
  memcpy(buffer, device, bytes);
  __asm__ volatile("" : : "r"(buffer) : "memory");
}

int main(int argc, char** argv) {
  return Trial(argc, argv, Read);
}
