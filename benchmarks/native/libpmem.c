// A durable write by libpmem: a copy that bypasses or flushes the caches, then a fence.
#include <libpmem.h>

#include "trial.h"

static void Write(char* device, char* buffer, size_t bytes) {
  pmem_memcpy_persist(device, buffer, bytes);
}

int main(int argc, char** argv) {
  return Trial(argc, argv, Write);
}
