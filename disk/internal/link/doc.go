// Package link is for clients of servers: it keeps a connection, makes it again when it is lost
// ([Link]), remembers what was written and not flushed, to be written again then ([Unflushed]),
// and ends one on which nothing comes ([Reader]).
package link
