// A fault without Node: a thread that puts the file's page in place of the one that was touched, and nothing
// else.
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trial.h"

#define PAGE 4096ul

static int uffd, file;
static size_t span, next_page;
static char* region;

static void* Serve(void* unused) {
  (void)unused;
  for (;;) {
    struct pollfd source = {uffd, POLLIN, 0};
    struct uffd_msg message;
    poll(&source, 1, -1);
    if (read(uffd, &message, sizeof message) != sizeof message) continue;
    char* const page = (char*)(message.arg.pagefault.address & ~(PAGE - 1));
    // Backwards, so that no two pages make one mapping.
    const off_t offset = (off_t)(span - PAGE) - (page - region);
    mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, offset);
    struct uffdio_range range = {(unsigned long)page, PAGE};
    ioctl(uffd, UFFDIO_WAKE, &range);
  }
  return NULL;
}

static void Reserve(void) {
  if (region != NULL) munmap(region, span);
  region = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  struct uffdio_register range = {{(unsigned long)region, span}, UFFDIO_REGISTER_MODE_MISSING, 0};
  if (ioctl(uffd, UFFDIO_REGISTER, &range) != 0) exit(1);
  next_page = 0;
}

static void Touch(char* device, char* buffer, size_t bytes) {
  (void)device;
  (void)bytes;
  if (next_page == span) Reserve();
  *buffer = *(volatile char*)(region + next_page);
  next_page += PAGE;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  span = strtoull(argv[3], NULL, 10);
  file = open(argv[1], O_RDWR);
  uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  struct uffdio_api api = {UFFD_API, 0, 0};
  if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) != 0) {
    fprintf(stderr, "this process may not serve faults\n");
    return 1;
  }
  Reserve();
  pthread_t thread;
  pthread_create(&thread, NULL, Serve, NULL);
  return Trial(argc, argv, Touch);
}
