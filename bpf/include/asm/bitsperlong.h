// What the header is on amd64 and arm64. Debian keeps it in a folder named for
// the machine, which the objects must not depend on.
#include <asm-generic/bitsperlong.h>
