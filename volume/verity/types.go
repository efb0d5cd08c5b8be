package verity

// The types of partitions in a GPT that the Discoverable Partitions Specification
// (https://uapi-group.org/specifications/specs/discoverable_partitions_specification/) has
// for hash trees, of each architecture, and which device systemd makes of them.
var names = map[string]string{
	"fc56d9e9-e6e5-4c06-be32-e74407ce09a5": "root", // alpha
	"24b2d975-0f97-4521-afa1-cd531e421b8d": "root", // arc
	"7386cdf2-203c-47a9-a498-f2ecce45a2d6": "root", // arm
	"df3300ce-d69f-4c92-978c-9bfb0f38d820": "root", // arm64
	"86ed10d5-b607-45bb-8957-d350f23d0571": "root", // ia64
	"f3393b22-e9af-4613-a948-9d3bfbd0c535": "root", // loongarch64
	"7a430799-f711-4c7e-8e5b-1d685bd48607": "root", // mips
	"579536f8-6a33-4055-a95a-df2d5e2c42a8": "root", // mips64
	"16b417f8-3e06-4f57-8dd2-9b5232f41aa6": "root", // mips64-le
	"d7d150d2-2a04-4a33-8f12-16651205ff7b": "root", // mips-le
	"d212a430-fbc5-49f9-a983-a7feef2b8d0e": "root", // parisc
	"98cfe649-1588-46dc-b2f0-add147424925": "root", // ppc
	"9225a9a3-3c19-4d89-b4f6-eeff88f17631": "root", // ppc64
	"906bd944-4589-4aae-a4e4-dd983917446a": "root", // ppc64-le
	"ae0253be-1167-4007-ac68-43926c14c5de": "root", // riscv32
	"b6ed5582-440b-4209-b8da-5ff7c419ea3d": "root", // riscv64
	"7ac63b47-b25c-463b-8df8-b4a94e6c90e1": "root", // s390
	"b325bfbe-c7be-4ab8-8357-139e652d2f6b": "root", // s390x
	"966061ec-28e4-4b2e-b4a5-1f0a825a1d84": "root", // tilegx
	"d13c5d3b-b5d1-422a-b29f-9454fdc89d76": "root", // x86
	"2c7357ed-ebd2-46d9-aec1-23d437ec2bf5": "root", // x86-64
	"8cce0d25-c0d0-4a44-bd87-46331bf1df67": "usr",  // alpha
	"fca0598c-d880-4591-8c16-4eda05c7347c": "usr",  // arc
	"c215d751-7bcd-4649-be90-6627490a4c05": "usr",  // arm
	"6e11a4e7-fbca-4ded-b9e9-e1a512bb664e": "usr",  // arm64
	"6a491e03-3be7-4545-8e38-83320e0ea880": "usr",  // ia64
	"f46b2c26-59ae-48f0-9106-c50ed47f673d": "usr",  // loongarch64
	"6e5a1bc8-d223-49b7-bca8-37a5fcceb996": "usr",  // mips
	"81cf9d90-7458-4df4-8dcf-c8a3a404f09b": "usr",  // mips64
	"3c3d61fe-b5f3-414d-bb71-8739a694a4ef": "usr",  // mips64-le
	"46b98d8d-b55c-4e8f-aab3-37fca7f80752": "usr",  // mips-le
	"5843d618-ec37-48d7-9f12-cea8e08768b2": "usr",  // parisc
	"df765d00-270e-49e5-bc75-f47bb2118b09": "usr",  // ppc
	"bdb528a5-a259-475f-a87d-da53fa736a07": "usr",  // ppc64
	"ee2b9983-21e8-4153-86d9-b6901a54d1ce": "usr",  // ppc64-le
	"cb1ee4e3-8cd0-4136-a0a4-aa61a32e8730": "usr",  // riscv32
	"8f1056be-9b05-47c4-81d6-be53128e5b54": "usr",  // riscv64
	"b663c618-e7bc-4d6d-90aa-11b756bb1797": "usr",  // s390
	"31741cc4-1a2a-4111-a581-e00b447d2d06": "usr",  // s390x
	"2fb4bf56-07fa-42da-8132-6b139f2026ae": "usr",  // tilegx
	"8f461b0d-14ee-4e81-9aa9-049b6fb97abd": "usr",  // x86
	"77ff5f63-e7b6-4633-acf4-1565b864c0e6": "usr",  // x86-64
}

// signatures are the types of the partitions with the signature of a root hash.
var signatures = map[string]bool{
	"d46495b7-a053-414f-80f7-700c99921ef8": true, // root, alpha
	"143a70ba-cbd3-4f06-919f-6c05683a78bc": true, // root, arc
	"42b0455f-eb11-491d-98d3-56145ba9d037": true, // root, arm
	"6db69de6-29f4-4758-a7a5-962190f00ce3": true, // root, arm64
	"e98b36ee-32ba-4882-9b12-0ce14655f46a": true, // root, ia64
	"5afb67eb-ecc8-4f85-ae8e-ac1e7c50e7d0": true, // root, loongarch64
	"bba210a2-9c5d-45ee-9e87-ff2ccbd002d0": true, // root, mips
	"43ce94d4-0f3d-4999-8250-b9deafd98e6e": true, // root, mips64
	"904e58ef-5c65-4a31-9c57-6af5fc7c5de7": true, // root, mips64-le
	"c919cc1f-4456-4eff-918c-f75e94525ca5": true, // root, mips-le
	"15de6170-65d3-431c-916e-b0dcd8393f25": true, // root, parisc
	"1b31b5aa-add9-463a-b2ed-bd467fc857e7": true, // root, ppc
	"f5e2c20c-45b2-4ffa-bce9-2a60737e1aaf": true, // root, ppc64
	"d4a236e7-e873-4c07-bf1d-bf6cf7f1c3c6": true, // root, ppc64-le
	"3a112a75-8729-4380-b4cf-764d79934448": true, // root, riscv32
	"efe0f087-ea8d-4469-821a-4c2a96a8386a": true, // root, riscv64
	"3482388e-4254-435a-a241-766a065f9960": true, // root, s390
	"c80187a5-73a3-491a-901a-017c3fa953e9": true, // root, s390x
	"b3671439-97b0-4a53-90f7-2d5a8f3ad47b": true, // root, tilegx
	"5996fc05-109c-48de-808b-23fa0830b676": true, // root, x86
	"41092b05-9fc8-4523-994f-2def0408b176": true, // root, x86-64
	"5c6e1c76-076a-457a-a0fe-f3b4cd21ce6e": true, // usr, alpha
	"94f9a9a1-9971-427a-a400-50cb297f0f35": true, // usr, arc
	"d7ff812f-37d1-4902-a810-d76ba57b975a": true, // usr, arm
	"c23ce4ff-44bd-4b00-b2d4-b41b3419e02a": true, // usr, arm64
	"8de58bc2-2a43-460d-b14e-a76e4a17b47f": true, // usr, ia64
	"b024f315-d330-444c-8461-44bbde524e99": true, // usr, loongarch64
	"97ae158d-f216-497b-8057-f7f905770f54": true, // usr, mips
	"05816ce2-dd40-4ac6-a61d-37d32dc1ba7d": true, // usr, mips64
	"f2c2c7ee-adcc-4351-b5c6-ee9816b66e16": true, // usr, mips64-le
	"3e23ca0b-a4bc-4b4e-8087-5ab6a26aa8a9": true, // usr, mips-le
	"450dd7d1-3224-45ec-9cf2-a43a346d71ee": true, // usr, parisc
	"7007891d-d371-4a80-86a4-5cb875b9302e": true, // usr, ppc
	"0b888863-d7f8-4d9e-9766-239fce4d58af": true, // usr, ppc64
	"c8bfbd1e-268e-4521-8bba-bf314c399557": true, // usr, ppc64-le
	"c3836a13-3137-45ba-b583-b16c50fe5eb4": true, // usr, riscv32
	"d2f9000a-7a18-453f-b5cd-4d32f77a7b32": true, // usr, riscv64
	"17440e4f-a8d0-467f-a46e-3912ae6ef2c5": true, // usr, s390
	"3f324816-667b-46ae-86ee-9b0c0c6c11b4": true, // usr, s390x
	"4ede75e2-6ccc-4cc8-b9c7-70334b087510": true, // usr, tilegx
	"974a71c0-de41-43c3-be5d-5c5ccd1ad2c0": true, // usr, x86
	"e7bb33fb-06cf-4e81-8273-e543b413e2e2": true, // usr, x86-64
}
