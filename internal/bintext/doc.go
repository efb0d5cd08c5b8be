// Package bintext shows binary data as text: the strings in it, as strings(1), and its bytes,
// as "hexdump -C".
package bintext
