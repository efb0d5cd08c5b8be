// Package sshdisk reads and writes images on hosts that have SSH, as a [disk.Device]: ssh:// and
// sftp://, which are the same, by SFTP version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's
// extension fsync@openssh.com.
//
//	ssh://[USER@]HOST[:PORT]/PATH      an absolute path
//	ssh://[USER@]HOST[:PORT]/~/PATH    one in the home folder
//
// # Who one is, and who the host is
//
// HOST may be one of ~/.ssh/config or /etc/ssh/ssh_config, of which Host, Match host, Include,
// HostName, User, Port, IdentityFile, IdentitiesOnly, IdentityAgent, HostKeyAlias,
// UserKnownHostsFile, GlobalKnownHostsFile and ProxyJump count; blocks of Match with other
// conditions are left out. Keys are those of the agent ($SSH_AUTH_SOCK) and of the usual files;
// one with a passphrase has to be in the agent. A password is that of $UNBOOT_SSH_PASSWORD; one
// in the URL is refused, as every user of the machine sees command lines. A host whose key is
// not in known_hosts is an [*UnknownHostError]: nothing is ever accepted because it is new.
//
// # Failures
//
// A connection that is lost, or that says nothing while it owes an answer, is made again. If the
// file is not of the same size and time then, that is an [ErrChanged]. What was written and not
// flushed is written again. Without fsync@openssh.com a server has no way to say that something is
// on its disk: a flush then means that the server has it.
//
// The protocol has no locks: whether others write to the file, nobody knows. A file that is only
// read is looked at from time to time, and is an [ErrChanged] if its size or time is another one.
package sshdisk
