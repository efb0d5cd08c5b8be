# Fixtures of LUKS, plain dm-crypt, dm-verity and dm-integrity. See lvm.sh. What is encrypted
# does not compress, so all is small and key derivations are quick.
# Passphrase of all: "secret".
printf secret >/tmp/key
printf second >/tmp/key2
LINES=1000
C="cryptsetup -q --key-file=/tmp/key"
X="--cipher aes-xts-plain64 --key-size 256"
# A key slot takes 4000 times the size of the volume key.
Y="--cipher aes-cbc-plain64 --key-size 128"
PBKDF2="--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
ARGON2="--pbkdf-memory 1024 --pbkdf-force-iterations 4 --pbkdf-parallel 1"
# The area of key slots is filled with random bytes: it is to be no bigger than needed. See
# also blank.
SMALL="--luks2-metadata-size 16k --luks2-keyslots-size 128k --offset 2048"
EXT4="mkfs.ext4 -q -b 1024 -m 0 -N 16 -O ^has_journal,^resize_inode"
FAT="mkfs.vfat -n DATA" # which writes less
BIG=${EXT4/-b 1024/-b 4096} # for sectors of 4096 bytes
FS=$FAT

dump() { note luksDump.txt cryptsetup luksDump "$1"; }

# crypt_fill NAME: the file system on /dev/mapper/NAME.
crypt_fill() { fill "/dev/mapper/$1" "/dev/mapper/$1" $FS; }

# blank NAME FROM TO: closes the volume, and writes zeros over unused key slots of its disk,
# where cryptsetup has written random bytes, from one offset to the other.
blank() {
	cryptsetup close "$1"
	try dd if=/dev/zero of="${D[0]}" bs=512 seek=$(($2 / 512)) count=$((($3 - $2) / 512)) conv=notrunc status=none
}

#disks luks1 1 6M
# Two key slots in use: "secret", "second".
luks1() {
	try $C luksFormat --type luks1 $X --hash sha256 --pbkdf-force-iterations 1000 "${D[0]}"
	try $C luksAddKey --pbkdf-force-iterations 1000 "${D[0]}" /tmp/key2
	local FS=$EXT4
	try $C open "${D[0]}" luks1 && crypt_fill luks1
	record
	dump "${D[0]}"
	blank luks1 $((4096 + 2 * 131072)) 2097152
}

#disks luks1-old 1 6M
# As it was once made: aes-cbc-essiv, SHA-1.
luks1_old() {
	try $C luksFormat --type luks1 --cipher aes-cbc-essiv:sha256 --key-size 128 --hash sha1 --pbkdf-force-iterations 1000 "${D[0]}"
	try $C open "${D[0]}" old && crypt_fill old
	record
	dump "${D[0]}"
	blank old $((4096 + 65536)) 1048576
}

# luks2 NAME OPTION...: a LUKS2 volume on the first disk, which is opened as NAME.
luks2() {
	local name=$1
	shift
	try $C luksFormat --type luks2 "$@" "${D[0]}" && try $C open "${D[0]}" "$name" && crypt_fill "$name"
	record
	dump "${D[0]}"
}

#disks luks2-pbkdf2 1 6M
luks2_pbkdf2() { luks2 pbkdf2 $X $SMALL $PBKDF2 --label mylabel --subsystem mysub; }

#disks luks2-default 1 20M
# Everything as cryptsetup does it of itself, but for the cost of the key derivation.
luks2_default() {
	local FS=$EXT4
	luks2 default $ARGON2
	blank default $((32768 + 258048)) 16777216
}

#disks luks2-argon2i 1 6M
luks2_argon2i() { luks2 argon2i $Y $SMALL --pbkdf argon2i $ARGON2 --hash sha512; }

#disks luks2-4k 1 6M
luks2_4k() { FS=$BIG luks2 big $X $SMALL $PBKDF2 --sector-size 4096; }

#disks luks2-slots 1 6M
# Slots of other ciphers, hashes and priorities, an unbound one, and a token.
luks2_slots() {
	local small="--luks2-metadata-size 16k --luks2-keyslots-size 512k --offset 2048"
	try $C luksFormat --type luks2 --cipher aes-cbc-essiv:sha256 --key-size 128 $small $PBKDF2 "${D[0]}"
	try $C luksAddKey --key-slot 3 --pbkdf argon2id $ARGON2 "${D[0]}" /tmp/key2
	printf third >/tmp/key3
	try $C luksAddKey --key-slot 5 --keyslot-cipher aes-cbc-plain64 --keyslot-key-size 256 --hash sha512 $PBKDF2 "${D[0]}" /tmp/key3
	try cryptsetup -q config --key-slot 0 --priority ignore "${D[0]}"
	try cryptsetup -q config --key-slot 5 --priority prefer "${D[0]}"
	try cryptsetup -q token add --key-description mydesc --key-slot 3 --token-id 2 "${D[0]}"
	echo '{"type":"clevis","keyslots":["3"],"jwe":{"ciphertext":"x"}}' | try cryptsetup -q token import --token-id 4 "${D[0]}"
	printf unbound | try cryptsetup -q luksAddKey --unbound --key-size 128 --key-slot 7 --key-file=/tmp/key $PBKDF2 "${D[0]}" -
	try $C --key-slot 0 open "${D[0]}" slots && crypt_fill slots
	record
	dump "${D[0]}"
	note metadata.json cryptsetup luksDump --dump-json-metadata "${D[0]}"
	blank slots $((32768 + 4 * 65536)) 1048576
}

#disks luks2-keyfile 1 6M
# The key is 64 bytes of keyfile.txt, from byte 100 on.
luks2_keyfile() {
	seq -f 'line %08.0f of the key file' 1 20 >/tmp/keyfile
	cp /tmp/keyfile "$R/keyfile.txt"
	local key="--key-file=/tmp/keyfile --keyfile-offset 100 --keyfile-size 64"
	try cryptsetup -q $key luksFormat --type luks2 $Y $SMALL $PBKDF2 "${D[0]}"
	try cryptsetup -q $key open "${D[0]}" keyfile && crypt_fill keyfile
	record
	dump "${D[0]}"
}

#disks luks2-detached 2 4M
# The header is the second disk, the first has nothing but the data.
luks2_detached() {
	try $C luksFormat --type luks2 $Y --luks2-metadata-size 16k --luks2-keyslots-size 64k $PBKDF2 --header "${D[1]}" "${D[0]}"
	try $C open --header "${D[1]}" "${D[0]}" detached && crypt_fill detached
	record
	dump "${D[1]}"
}

#disks luks2-second 1 6M
# The first header is destroyed: the second one is to be used.
luks2_second() {
	luks2 second $Y $SMALL $PBKDF2
	cryptsetup close second
	try dd if=/dev/zero of="${D[0]}" bs=4096 count=4 conv=notrunc status=none
}

#disks luks2-hmac 1 12M
# Authenticated encryption. Sectors that were never written cannot be read.
luks2_hmac() {
	# Half of the volume key is for the HMAC.
	try $C luksFormat --type luks2 $X --luks2-metadata-size 16k --luks2-keyslots-size 256k --offset 2048 $PBKDF2 --integrity hmac-sha256 --integrity-no-wipe --sector-size 4096 "${D[0]}"
	# mkfs.ext4 reads blocks that it has not written.
	try $C open "${D[0]}" hmac && crypt_fill hmac
	record
	dump "${D[0]}"
}

#disks luks2-reencrypt 1 8M
# A reencryption that was begun: there are two segments and two volume keys.
luks2_reencrypt() {
	luks2 reencrypt $Y --luks2-metadata-size 16k --luks2-keyslots-size 160k --offset 4096 $PBKDF2
	cryptsetup close reencrypt
	try $C reencrypt --init-only --resilience checksum $PBKDF2 "${D[0]}"
	dump "${D[0]}"
}

#disks stack-luks-on-lvm 1 16M
stack_luks_on_lvm() {
	try vgcreate -q -s 1M vg "${D[0]}"
	try lvcreate -q -y -Wn -L 6M -n secret vg
	try $C luksFormat --type luks2 $Y $SMALL $PBKDF2 /dev/vg/secret
	try $C open /dev/vg/secret inside && crypt_fill inside
	record
	lvm_report
	dump /dev/vg/secret
}

#disks stack-lvm-on-luks 1 16M
# As installers do it: a boot partition, and a group with root and swap in the other.
stack_lvm_on_luks() {
	try sgdisk -n 1:2048:+4M -t 1:8300 -c 1:boot -n 2:0:0 -t 2:8309 -c 2:crypt "${D[0]}" >/dev/null
	udevadm settle
	fill "${D[0]}1" /dev/sda1 $EXT4
	try $C luksFormat --type luks2 $Y $SMALL $PBKDF2 "${D[0]}2"
	try $C open "${D[0]}2" sda2_crypt
	try vgcreate -q -s 1M vg /dev/mapper/sda2_crypt
	try lvcreate -q -y -Wn -L 4M -n root vg
	try lvcreate -q -y -Wn -L 1M -n swap vg
	fill /dev/vg/root /dev/vg/root $EXT4
	try mkswap -q /dev/vg/swap
	record
	lvm_report
	dump "${D[0]}2"
}

#disks stack-md-luks-lvm 2 16M
# Three levels.
stack_md_luks_lvm() {
	local d
	for d in "${D[@]}"; do try sgdisk -n 1:2048:0 -t 1:fd00 "$d" >/dev/null; done
	udevadm settle
	try mdadm --create --run --quiet --homehost=fixture.example /dev/md/deep --assume-clean --level 1 -n 2 "${D[@]/%/1}"
	try $C luksFormat --type luks2 $X $SMALL --pbkdf argon2id $ARGON2 /dev/md/deep
	try $C open /dev/md/deep deep
	try vgcreate -q -s 1M vg /dev/mapper/deep
	try lvcreate -q -y -Wn -L 4M -n root vg
	fill /dev/vg/root /dev/vg/root $EXT4
	record
	lvm_report
	dump /dev/md/deep
	note detail.txt mdadm --detail /dev/md/deep
	note examine.txt mdadm --examine "${D[@]/%/1}"
}

#disks crypt-plain 2 2M
# Nothing on them says what they are. sda: cryptsetup's default, cipher aes-cbc-essiv:sha256,
# 256 bits, passphrase "secret" hashed by ripemd160. sdb: aes-xts-plain64, 512 bits, the key
# is what keyfile.txt begins with, data from sector 64 on, the first of them number 32.
crypt_plain() {
	seq -f 'line %08.0f of the key file' 1 20 >/tmp/keyfile
	cp /tmp/keyfile "$R/keyfile.txt"
	printf secret | try cryptsetup -q open --type plain --cipher aes-cbc-essiv:sha256 --key-size 256 --hash ripemd160 "${D[0]}" plain && crypt_fill plain
	try cryptsetup -q open --type plain --cipher aes-xts-plain64 --key-size 512 --key-file /tmp/keyfile --keyfile-size 64 --offset 64 --skip 32 "${D[1]}" keyed && crypt_fill keyed
	record
}

#disks verity 2 6M
# Data and hashes on two disks.
verity() {
	fill "${D[0]}" /dev/sda $EXT4
	note veritysetup.txt veritysetup format --salt=00112233445566778899aabbccddeeff --uuid 11111111-2222-3333-4444-555555555555 "${D[0]}" "${D[1]}"
	try veritysetup open "${D[0]}" verity "${D[1]}" "$(root_hash)"
	record
	note dump.txt veritysetup dump "${D[1]}"
}

root_hash() { sed -n 's/^Root hash:[ \t]*//p' "$R/veritysetup.txt"; }

#disks verity-offset 1 8M
# Data and hashes on one device: the hashes begin at 4 MiB. SHA-512, blocks of 1 KiB.
verity_offset() {
	try $EXT4 "${D[0]}" 4M
	try mount "${D[0]}" /tmp/m && put /dev/sda && try umount /tmp/m
	note veritysetup.txt veritysetup format --hash sha512 --data-block-size 1024 --hash-block-size 1024 --data-blocks 4096 --hash-offset 4194304 --salt=- "${D[0]}" "${D[0]}"
	try veritysetup open --hash-offset 4194304 "${D[0]}" verity "${D[0]}" "$(root_hash)"
	record
	note dump.txt veritysetup dump --hash-offset 4194304 "${D[0]}"
}

#disks verity-gpt 1 10M
# Discoverable partitions: the UUIDs of root and verity partition are the root hash's halves.
verity_gpt() {
	local root=4f68bce3-e8cd-4db1-96e7-fbcaf984b709 verity=2c7357ed-ebd2-46d9-aec1-23d437ec2bf5 h
	try sgdisk -n 1:2048:+4M -t 1:$root -c 1:root -n 2:0:+1M -t 2:$verity -c 2:root-verity "${D[0]}" >/dev/null
	udevadm settle
	fill "${D[0]}1" /dev/sda1 $EXT4
	note veritysetup.txt veritysetup format "${D[0]}1" "${D[0]}2"
	h=$(root_hash)
	try sgdisk -u "1:$(uuid "${h:0:32}")" -u "2:$(uuid "${h:32}")" "${D[0]}" >/dev/null
	udevadm settle
	blockdev --rereadpt "${D[0]}"
	udevadm settle
	try veritysetup open "${D[0]}1" verity "${D[0]}2" "$h"
	record
	note dump.txt veritysetup dump "${D[0]}2"
}

uuid() { echo "${1:0:8}-${1:8:4}-${1:12:4}-${1:16:4}-${1:20}"; }

#disks verity-fec 3 4M
# Parity that mends errors is on the third disk; a block of the first is broken.
verity_fec() {
	fill "${D[0]}" /dev/sda $EXT4
	note veritysetup.txt veritysetup format --fec-device "${D[2]}" --fec-roots 2 "${D[0]}" "${D[1]}"
	try veritysetup open --fec-device "${D[2]}" --fec-roots 2 "${D[0]}" verity "${D[1]}" "$(root_hash)"
	record
	note dump.txt veritysetup dump "${D[1]}"
	try veritysetup close verity
	try dd if=/dev/urandom of="${D[0]}" bs=4096 seek=1 count=1 conv=notrunc status=none
}

# integrity NAME OPTION...: dm-integrity on the first disk, all of it written once.
integrity() {
	local name=$1
	shift
	try integritysetup -q format "$@" "${D[0]}"
	# What is not in the superblock has to be given each time.
	try integritysetup open $OPEN "${D[0]}" "$name"
	crypt_fill "$name"
	record
	note dump.txt integritysetup dump "${D[0]}"
}

#disks integrity-crc32c 1 6M
integrity_crc32c() { FS=$EXT4 OPEN="" integrity crc32c --integrity crc32c --journal-size 65536; }

#disks integrity-sha256 1 4M
integrity_sha256() { FS=$BIG OPEN="--integrity sha256" integrity sha256 --integrity sha256 --tag-size 32 --sector-size 4096 --journal-size 65536; }

#disks integrity-bitmap 1 6M
integrity_bitmap() { FS=$EXT4 OPEN="--integrity-bitmap-mode" integrity bitmap --integrity crc32c --integrity-bitmap-mode; }

#disks integrity-hmac 1 4M
# The key is "secret".
integrity_hmac() {
	local key="--integrity hmac-sha256 --integrity-key-file /tmp/key --integrity-key-size 6"
	FS=$BIG OPEN=$key integrity hmac $key --tag-size 32 --sector-size 4096 --journal-size 65536
}

for f in luks1 luks1-old luks2-pbkdf2 luks2-default luks2-argon2i luks2-4k luks2-slots luks2-keyfile luks2-detached \
	luks2-second luks2-hmac luks2-reencrypt stack-luks-on-lvm stack-lvm-on-luks stack-md-luks-lvm crypt-plain verity verity-offset \
	verity-gpt verity-fec integrity-crc32c integrity-sha256 integrity-bitmap integrity-hmac; do
	fixture $f
done
