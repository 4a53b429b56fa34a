// An append by libpmemlog, which is emptied when it is full. The pool lies beside the file, and is as large.
#include <libpmemlog.h>
#include <unistd.h>

#include "trial.h"

static PMEMlogpool* pool;

static void Append(char* device, char* buffer, size_t bytes) {
  (void)device;
  if (pmemlog_append(pool, buffer, bytes) == 0) return;
  pmemlog_rewind(pool);
  pmemlog_append(pool, buffer, bytes);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  char path[4096];
  snprintf(path, sizeof path, "%s.pmemlog", argv[1]);
  unlink(path);
  // As if tmpfs were persistent memory, which it is for the other side as well.
  setenv("PMEM_IS_PMEM_FORCE", "1", 1);
  pool = pmemlog_create(path, strtoull(argv[3], NULL, 10), 0600);
  if (pool == NULL) {
    fprintf(stderr, "%s\n", pmemlog_errormsg());
    return 1;
  }
  const int status = Trial(argc, argv, Append);
  pmemlog_close(pool);
  unlink(path);
  return status;
}
