// Package ocidisk reads images that a registry of containers has, as a [disk.Device] that cannot
// be written to: oci:// and docker://, which are the same, by the protocol of the OCI
// Distribution Specification 1.1, without a container engine.
//
//	oci://HOST[:PORT]/NAME[:TAG|@DIGEST][?file=FILE]
//
// docker.io is the name of Docker Hub. An image of several platforms is that of linux/amd64.
//
// The disk is either a layer itself, as ORAS stores files, or a file in disk/ of a layer that is
// an archive, as in the containerDisk of KubeVirt. FILE names one of several: by the title of a
// layer, or by its path in an archive. A layer that is not compressed is read by ranges, by
// package httpdisk. One that is has to be fetched and decompressed as a whole, once, to a file
// without a name in the folder for temporary files, as a sparse one; its digest is verified.
// (That of a part cannot be.)
//
// A name and password are those of ~/.docker/config.json ($DOCKER_CONFIG) or of podman's
// auth.json ($REGISTRY_AUTH_FILE), with their helpers. They are sent to the registry, and to the
// server that it names for tokens, by https alone; on this host, http will do.
package ocidisk
