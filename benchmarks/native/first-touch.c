// The first touch of each page of a mapped file, one after the other.
#include <sys/stat.h>

#include "trial.h"

static int file;
static size_t span, next_page;
static char* mapping;

static void Map(void) {
  if (mapping != NULL) munmap(mapping, span);
  mapping = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  next_page = 0;
}

static void Touch(char* device, char* buffer, size_t bytes) {
  (void)device;
  (void)bytes;
  if (next_page == span) Map();
  *buffer = *(volatile char*)(mapping + next_page);
  next_page += 4096;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  span = strtoull(argv[3], NULL, 10);
  file = open(argv[1], O_RDWR);
  Map();
  return Trial(argc, argv, Touch);
}
