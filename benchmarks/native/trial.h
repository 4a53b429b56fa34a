// The trial of the C programs: the same walk, batches and figures as trial.ts.
#ifndef NODE_DAX_BENCHMARKS_NATIVE_TRIAL_H_
#define NODE_DAX_BENCHMARKS_NATIVE_TRIAL_H_

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define BATCHES 200
#define BATCH_NS 1e6
#define WARM_UP_NS 5e7

static double Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

static int Compare(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

// Called with: path, block size, span. `operation` moves one block between the mapping and a buffer.
static int Trial(int argc, char** argv, void (*operation)(char* device, char* buffer, size_t bytes)) {
  if (argc != 4) return 2;
  const size_t block = strtoull(argv[2], NULL, 10), span = strtoull(argv[3], NULL, 10);
  char* device = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_SHARED, open(argv[1], O_RDWR), 0);
  if (device == MAP_FAILED) return 1;
  char* buffer = malloc(block);
  memset(buffer, 0x5a, block);

  size_t pos = 0, repeats = 1;
  double figures[BATCHES], warm = 0, fastest = 1e18;
  for (int batch = -1; batch < BATCHES;) {
    const double start = Now();
    for (size_t i = 0; i < repeats; i++) {
      operation(device + pos, buffer, block);
      pos = pos + block >= span ? 0 : pos + block;
    }
    const double elapsed = Now() - start, each = elapsed / repeats;
    if (batch >= 0) {
      figures[batch++] = each;
      continue;
    }
    warm += elapsed;
    if (each < fastest) fastest = each;
    if (elapsed < BATCH_NS) repeats *= 2;
    if (warm < WARM_UP_NS) continue;
    repeats = BATCH_NS / fastest + 1;
    batch = 0;
  }
  qsort(figures, BATCHES, sizeof *figures, Compare);
  printf("{\"quiet\":%.2f,\"median\":%.2f,\"gc\":0}\n", figures[BATCHES / 10], figures[BATCHES / 2]);
  return 0;
}

#endif  // NODE_DAX_BENCHMARKS_NATIVE_TRIAL_H_
