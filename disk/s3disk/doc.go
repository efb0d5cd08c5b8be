// Package s3disk reads images in S3, or in what has its protocol, as a [disk.Device] that cannot
// be written to: s3://, by package httpdisk with requests that are signed (AWS Signature Version
// 4).
//
//	s3://BUCKET/KEY[?region=REGION][&endpoint=HOST[:PORT]][&profile=PROFILE][&anonymous]
//
// What the URL does not say is looked for as by the AWS command line, in the environment and the
// files of the profile: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION,
// AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, ~/.aws/config and
// ~/.aws/credentials, with a credential_process too. Without a key, requests are not signed, as
// what is public wants. Keys of the machine's role (the metadata service), and SSO, are not
// looked for: "aws configure export-credentials" has these.
//
// Keys are in no URL, so that no other user of the machine sees them, and in no error.
//
// It is a package of its own without the SDKs for S3: these take a millisecond of each start of
// the program that has them, for one kind of request.
package s3disk
