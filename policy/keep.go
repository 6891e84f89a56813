package policy

// Actions on what keeps a site over years.
const (
	KeyProtect        Action = "key.protect"
	BackupMake        Action = "backup.make"
	BackupList        Action = "backup.list"
	RestoreRead       Action = "restore.read"
	RestoreBegin      Action = "log.begin" // the first entry of a restored site's log
	RestoreCheckpoint Action = "restore.checkpoint"
	RestoreAccept     Action = "restore.accept"
	RestoreMissing    Action = "restore.missing"
	RetentionRead     Action = "retention.read"
	RetentionSet      Action = "retention.set"
	RetentionSweep    Action = "retention.sweep"
	TLSRead           Action = "tls.read"
	TLSRotate         Action = "tls.rotate"
	TLSSwitch         Action = "tls.switch"
	TLSWithdraw       Action = "tls.withdraw"
)
