/* What string.S needs of the kernel's header, for a program of the host. */
#define SYM_FUNC_START(name)	.globl name; .type name, @function; name:
#define SYM_FUNC_END(name)	.size name, . - name
#define memcpy			port_memcpy
#define memmove			port_memmove
#define memset			port_memset
