// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of UTF-16 units that are no characters. Windows lets a name hold half
 * of a surrogate pair; the generic conversion leaves it out, and what is listed
 * so cannot be opened. Like ntfs-3g, this writes it as the three bytes that
 * UTF-8 would have for its number if that was a character (known as WTF-8), and
 * reads them back. All else is as before.
 */
#include <linux/errno.h>
#include <linux/nls.h>
#include <linux/types.h>
#include <asm/byteorder.h>
#include <asm/wrap.h>

static bool is_surrogate(unicode_t u)
{
	return u >= 0xd800 && u < 0xe000;
}

static bool is_high(unicode_t u)
{
	return u >= 0xd800 && u < 0xdc00;
}

static bool is_low(unicode_t u)
{
	return u >= 0xdc00 && u < 0xe000;
}

LKL_WRAP(int, utf8_to_utf32, const u8 *s, int len, unicode_t *u)
{
	/* all surrogates have the same first byte and start of the second */
	if (len < 3 || s[0] != 0xed || (s[1] & 0xe0) != 0xa0 || (s[2] & 0xc0) != 0x80)
		return __real_utf8_to_utf32(s, len, u);
	*u = 0xd000 | (s[1] & 0x3f) << 6 | (s[2] & 0x3f);
	return 3;
}

LKL_WRAP(int, utf32_to_utf8, unicode_t u, u8 *s, int room)
{
	if (!s || !is_surrogate(u))
		return __real_utf32_to_utf8(u, s, room);
	if (room < 3)
		return -EOVERFLOW;
	s[0] = 0xe0 | u >> 12;
	s[1] = 0x80 | (u >> 6 & 0x3f);
	s[2] = 0x80 | (u & 0x3f);
	return 3;
}

static u16 swapped(u16 c, enum utf16_endian endian)
{
	switch (endian) {
	case UTF16_LITTLE_ENDIAN:
		return le16_to_cpu((__force __le16)c);
	case UTF16_BIG_ENDIAN:
		return be16_to_cpu((__force __be16)c);
	default:
		return c;
	}
}

LKL_WRAP(int, utf16s_to_utf8s, const wchar_t *in, int len, enum utf16_endian endian,
	 u8 *out, int room)
{
	int i, size, done = 0;

	for (i = 0; i < len && done < room; done += size) {
		unicode_t u = swapped(in[i++], endian), low;

		if (!u)
			break;
		low = i < len ? swapped(in[i], endian) : 0;
		if (is_high(u) && is_low(low)) {
			u = 0x10000 + ((u & 0x3ff) << 10) + (low & 0x3ff);
			i++;
		}
		size = __wrap_utf32_to_utf8(u, out + done, room - done);
		if (size < 0)
			break;
	}
	return done;
}

LKL_WRAP(int, utf8s_to_utf16s, const u8 *in, int len, enum utf16_endian endian,
	 wchar_t *out, int room)
{
	int done = 0;

	while (len > 0 && done < room && *in) {
		unicode_t u;
		int size = __wrap_utf8_to_utf32(in, len, &u);

		if (size < 0)
			return -EINVAL;
		in += size;
		len -= size;
		if (u >= 0x10000) {
			if (room - done < 2)
				break;
			u -= 0x10000;
			out[done++] = swapped(0xd800 | u >> 10, endian);
			u = 0xdc00 | (u & 0x3ff);
		}
		out[done++] = swapped(u, endian);
	}
	return done;
}
