// Little endian: the objects' target, bpfel.
#include <linux/byteorder/little_endian.h>
