"""Everything that agentpg can fail with, in one tree.

AgentpgError                    exit 1   failed
├── UsageError                  exit 2   wrong usage
│   ├── WrongArgument                    a call was given what it can't use
│   ├── SettingError                     a setting has a wrong name or value
│   │   ├── WrongValue
│   │   └── RepositoryUnknown             no place that backups can lie in
│   ├── ExtraMissing                     a package is not installed
│   ├── KeyUnusable                      no key of sealed backups
│   ├── SealingKeysUnusable              no keys of sealed tasks
│   ├── SealingKeyUnknown                no key of that name
│   ├── RedactionWrong                   what is to be hidden in logs can't be read
│   ├── OrdersUnusable                   what says where WAL goes
│   │   └── OrdersIncomplete              it does not say all of it
│   ├── AppNotFound                      --app names nothing that can be loaded
│   │   ├── ModuleMissing
│   │   ├── ModuleBroken                  it raises while it is imported
│   │   ├── VariableMissing
│   │   └── NotAnApp
│   ├── FileNotRead
│   ├── BaselineWrong                    a file of accepted risks can't be used
│   ├── InvalidTask                      a task that can't be submitted
│   │   ├── PayloadNotJson
│   │   ├── PayloadNotParsed              the text of a payload is not JSON
│   │   ├── FieldSealed                   a limit counts by a field that is sealed
│   │   └── PayloadTooLarge
│   ├── InvalidSchedule                  a schedule that can't be kept
│   │   ├── CronWrong                     a cron line that can't be read
│   │   ├── CronNeverTrue                 a cron line that no moment fits
│   │   ├── ZoneUnknown
│   │   └── ScheduleExists
│   ├── IdempotencyConflict              one key, two payloads
│   │   └── KeyTaken                      by a task that is not shown
│   ├── WrongLimit                       a limit has a value that does not fit
│   ├── NoClusterThere                   a home without a cluster to change places with
│   ├── NotABaseBackup                   no backup of another kind gets to a later moment
│   ├── MarkNameWrong                    a name that no mark can have
│   ├── DatabaseNameUnusable             a name that nothing is restored under
│   ├── ConditionWrong                   what chooses rows is no SQL
│   ├── InvalidAgent                     a name that no agent can have
│   ├── LimitNotFound                    there is no such limit to remove
│   ├── NotPaused                        an agent that is to be resumed runs already
│   ├── CallInLoop                       a blocking call in an async handler
│   ├── HandlerNotImportable             runs in a process, which can't find it
│   ├── ClientUnknown                    run.wrap() of what it can't record
│   ├── CompressionUnknown               one that backups can't have
│   │   └── CompressionNotBuilt           this pg_dump was built without it
│   ├── PgbackrestTypeUnknown            neither full, diff nor incr
│   ├── RetentionNotSet                  nothing says how long history is kept
│   ├── RetentionTooShort                for less time than a task may be tried
│   ├── ArchiveNotRead                   an archive that is not whole
│   ├── SampleNotRead                    no sample of sizes to compare with
│   ├── MachineTooSmall                  it has less than was said of it
│   ├── SettingNotProposed               nothing is known to be better for it
│   ├── UndoUnreadable                   a file that takes no changes back
│   ├── AddressWrong                     nothing can listen there
│   ├── ParametersMissing                a statement needs values to run
│   ├── SeveralStatements                a plan is of one
│   ├── IndexNameShared                  indexes of several schemas have the name
│   ├── NoWayToContact                   nobody can be told
│   ├── MatcherWrong                     what a silence is to match
│   ├── CertificateNameWrong              a name that no certificate can be for
│   ├── AuthorityMissing                  nothing could sign a certificate
│   ├── NothingPending                    no change of pg_hba.conf waits
│   ├── PasswordUnusable                 what was given can be no password
│   ├── PairUnknown                      no group with two logins has the name
│   ├── NoRotation                       none waits to be resumed or rolled back
│   ├── AccountNameWrong                 a name that no account can have
│   ├── TenantNameWrong
│   ├── ScopesWrong                      a token can't have them
│   ├── PasswordTooWeak
│   ├── AnchorWrong                      no place in the audit log
│   ├── NoAdministrator                  `setup` has nobody to act as
│   └── NoDatabase                       no database is configured
├── DatabaseUnavailable         exit 3   cannot reach the server, or not now
│   ├── ServerStarting
│   ├── ServerBusy                       full, locked, or out of resources
│   ├── ServerReadOnly                   by default_transaction_read_only, for example
│   │   └── ServerInRecovery
│   ├── TooManyConnections
│   ├── LoginRefused
│   ├── ServerUnproved                   by TLS, which is asked for elsewhere
│   ├── DatabaseMissing
│   └── ServerNotRunning                 the private server exists and is stopped
├── Refused                     exit 4   refused for safety
│   ├── WrongMajorVersion                a data folder of another PostgreSQL
│   ├── SchemaMismatch                   the schema is older or newer
│   ├── SchemaMissing                    a table or a column is not there
│   ├── MigrationChanged                 an applied migration has another text now
│   ├── TablesInTheWay                   the first migration meets tables of the same names
│   ├── NamesTaken                       a migration meets others' tables of its names
│   ├── AdoptionRefused
│   ├── FileNotOurs                      a file in the way was written by somebody else
│   ├── WorkUnderWay                     only one may do this at a time
│   ├── EndingRefused                    a session that is not to be ended
│   ├── SlotActive                       a slot that is to be dropped has a reader
│   ├── DataFolderUnknown                the server's files can't be seen from here
│   ├── OtherCluster                     it is not the server that was looked at
│   ├── BallastTooLarge                  it would take the room that it is to save
│   ├── BallastThere
│   ├── RewriteRefused                   a table is not to be written anew now
│   │   ├── RewriteTooLarge               there is no room for it
│   │   ├── RoomUnknown
│   │   └── TableInUse
│   ├── VacuumThroughPooler              it needs a session of its own
│   ├── SettingsManaged                  the server's settings are changed elsewhere
│   ├── SettingPinned                    the server's start has the last word
│   ├── UndoElsewhere                    a file that is another server's
│   ├── WriteNotRun                      running a statement would change something
│   ├── EffectStays                      no rollback takes back what a statement does
│   ├── StatementOfOthers                planning it may call another role's functions
│   ├── IndexKept                        it is not to be dropped
│   ├── IndexTooLarge                    there is no room to build it
│   ├── PoolerInBetween                  a backup needs a session of its own
│   ├── PgbackrestNotArchiving           the WAL does not go to pgBackRest
│   ├── PgbackrestNotSealed              what it keeps can't be sealed by us
│   ├── RestoreRefused                   a restore that would harm what is there
│   │   ├── RestoreKindUnknown            a backup of a whole cluster
│   │   ├── RestoreTargetExists
│   │   ├── RestoreTargetMissing
│   │   ├── RestoreTargetInUse
│   │   ├── RestoreTargetPrepared         it has prepared transactions
│   │   ├── WorkersConnected
│   │   ├── RestoreTooSmall               the server's disk
│   │   ├── RestoreServerTooOld
│   │   ├── RolesMissing
│   │   ├── TablespacesMissing
│   │   ├── TableWithoutKey               its rows can't be told apart
│   │   └── NothingToUndo
│   ├── PermissionDenied                 the role may not do this
│   │   ├── TablesNotReadable             a backup would lack them
│   │   ├── VacuumNotAllowed              only who may maintain a table vacuums it
│   │   └── SettingsNotAllowed            the server's settings
│   ├── KeyBesideBackups                 the key lies in the repository
│   ├── NotSealed                        nothing says for whom to seal a backup
│   ├── FolderInTheWay                   a folder that is to be made is there
│   ├── HomesApart                       on different file systems
│   ├── RecoveryNotEnded                 nothing is held yet in what is recovered
│   ├── ServerStillRuns                  its data folder is to change places
│   ├── ClusterInUse                     others are connected to what is to be replaced
│   ├── MarkExists                       recovery would stop at the first of the name
│   ├── HoldRefused                      nobody may keep writes back for a backup
│   ├── ReplicationRefused               the role may not make a base backup
│   ├── ArchivingNotOurs                 the server archives elsewhere
│   ├── ArchiveOutOfReach                its account can't write there
│   ├── ArchiveNotHere                   its settings lie on the server's machine
│   ├── ArchiveCommandFails              its account can't run it, or is not let in
│   ├── HbaNotHere                       pg_hba.conf can't be changed from here
│   ├── HbaWrong                         the server would refuse these lines
│   ├── LockedOut                        who applies them would get in no more
│   ├── ChangePending                    an earlier change waits to be confirmed
│   ├── ChangedSince                     pg_hba.conf is not what was confirmed
│   ├── RolesNotThere                    the groups of roles were not made
│   ├── LoginNotForTenants               it would get past its tenant
│   ├── TlsNotProved                     the server does not show what it was given
│   ├── TlsNotBuilt                      its PostgreSQL has no TLS in it
│   ├── PasswordWeak                     it is too easy to guess
│   ├── LoginInUse                       it was to get another password
│   ├── OldPasswordUnknown               there would be no way back to the present login
│   ├── RotationUnderWay                 an earlier one was not ended
│   ├── RotationBusy                     another process rotates the same pair
│   ├── RotationNotProved                the new login can't do what the old one can
│   ├── LastAdmin                        nobody would be left to manage accounts
│   └── NotForTesting                    a database that tests may not throw away
├── CertificateUnusable                  it is none, or has no key
├── CertificateNotFound
├── TlsNotOffered
├── NoSuchRole
├── RotationHeldUp                       somebody stays connected as the old login
├── FileNotWritten                       a file or folder can't be written
│   ├── SealingKeyThere                  nor is one of sealed tasks
│   ├── SealingKeyInUse                  it is not dropped before its time
│   └── KeyThere                         a key is never written over
├── OutputNotWritten                     standard output takes no more
├── ArchiveNotWhole                      what was written does not read back
├── MigrationBlocked                     a migration did not get its locks
├── TableNotFound                        the schema has no such table or view
├── TableLocked                          it was not to be had within the time
├── SettingsNotApplied                   the server refused one, and all were taken back
├── SlotNotFound
├── StatementNotPlanned                  the server makes no plan of it
├── StatementTooSlow                     it was cancelled by its time-out
├── StatementLocked                      a table of it is locked
├── QueryNotFound                        pg_stat_statements has no such statement
├── StatementsNotKept                    pg_stat_statements is not there
├── IndexNotFound                        nothing is proposed by this name
├── IndexNotMade                         not built, and nothing is left of the try
├── IndexNotUndone                       what undoes a change has failed
├── IndexLeft                            not built, and something is left of the try
├── TaskNotFound
├── ScheduleNotFound
├── TaskFailed                           a task that was waited for did not complete
├── WrongState                           the task is not in a state that allows this
├── WaitTimedOut
├── NotDrained                           a test's work was not done in time
├── ResultNotJson                        what a handler returned can't be stored
├── ResultTooLarge
├── NotExplained                         a session's statement has no plan to show
├── NotCancelled                         a session's statement goes on
├── NotEnded                             a session goes on, or does something else
├── SessionNotFound
├── NoSample                             nothing was kept to compare with
├── NotTold                              a message was not taken
├── AlertNotFound
├── SilenceNotFound
├── AccountNotFound
├── AccountExists
├── TokenNotFound
├── CommandFailed                        what was run for something else did not end well
├── HandlerStopped                       raised inside a handler that must stop
├── DocumentUnusable                     DocumentAgent can't read or take a document
├── EndpointError                        the endpoint of the language model
│   ├── EndpointMissing                  none is configured
│   ├── EndpointRefused                  it answers, and always will, that it does not
│   └── EndpointFailed                   it can't be reached, or fails for now
├── BackupError                          a backup can't be made, read, proved or restored
│   ├── BackupNotFound
│   │   └── NoBackups                     there is none at all
│   │       └── NoBaseBackups             none that could be recovered to a moment
│   ├── SourceUnclear                     of which database, where none is named
│   ├── RecordDamaged                    what the repository says of one can't be read
│   │   └── RecordTooNew                  a newer release wrote it
│   ├── ProgramsMissing                  no pg_dump that fits the server
│   ├── ToolFailed                       one of PostgreSQL's programs
│   ├── TablesInUse                      others held or changed tables meanwhile
│   ├── BackupDamaged                    its files are not what was written
│   ├── FilesGone                        some went while it was made
│   ├── BackupNotWhole                   what was made does not end as it should
│   ├── RestoreNotRight                  what was restored differs
│   ├── RestoreFailed                    a database could not be filled
│   │   └── RestoreDiskFull               the server's disk, meanwhile
│   ├── SwapNotDone
│   ├── PgbackrestMissing                it is not installed
│   ├── PgbackrestTooOld                 it does not know the server's version
│   ├── PgbackrestOutOfReach             it can't work from here
│   ├── PgbackrestBackupGone             it has no longer what a record refers to
│   ├── PointNotReached                  a recovery ended before its point
│   ├── DependentsNotMade                a table is back, not all that went with it
│   ├── TableNotInBackup
│   ├── ScratchError                     the private server that a backup is restored into
│   │   ├── ScratchTooSmall               (exit 6) no room for it
│   │   ├── ScratchDiskFull               (exit 6) no room left for it
│   │   └── ScratchNotStarted             (exit 6)
│   ├── SealingKeyMissing                a task is sealed with a key that is not here
│   ├── SealBroken                       what was sealed was changed or moved
│   ├── SealError                        a backup can't be sealed, or not be opened
│   │   ├── SealDamaged                   changed or cut short
│   │   ├── KeyNotFitting
│   │   ├── KeyMissing                    (exit 6) none is configured
│   │   │   └── WalKeyMissing                 for archived WAL
│   │   └── PassphraseWrong
│   ├── BaseBackupFailed                 pg_basebackup or its like gave up
│   ├── WritesNotHeld                    no exact moment could be named
│   ├── CopyDamaged                      a file of a base backup is not what was written
│   ├── WalDamaged                       archived WAL is not what was written
│   ├── ArchivingFailed                  the server does not archive its WAL
│   ├── RecoveryFailed
│   │   ├── TargetNotReached             there was less WAL than it seemed
│   │   ├── RecoveryEnded                its server was killed
│   │   ├── RecoveryDiskFull
│   │   └── UnfinishedNotSettled         tasks of the recovered cluster could not be held
│   ├── MarkNotFound
│   ├── WalDiffers                       the archive has another file of the name
│   ├── WalNotThere
│   ├── MarkDamaged                      what the repository says of one can't be read
│   ├── RecoveryRefused                  (exit 4) the target can't be reached
│   │   ├── WalMissing
│   │   ├── TargetOutOfRange
│   │   ├── RecoveryTooSmall             no room for the cluster
│   │   ├── TablespaceUnmapped
│   │   ├── TablespaceUnknown            the cluster has none there
│   │   └── TimelineUnclear
│   └── RepositoryError                  the place where backups lie
│       ├── RepositoryUnavailable        (exit 3) can't be reached, or says no
│       │   ├── BucketMissing
│       │   ├── BucketRefused                 the key is wrong, or has no rights
│       │   └── BucketUntrusted               its certificate
│       ├── RepositoryFull
│       │   └── RepositoryTooSmall        for what a backup takes
│       └── ObjectMissing
├── StandInNotStarted
├── EmbeddedServerError                  the private server does not start or stop
│   ├── BinariesMissing                  no PostgreSQL programs
│   ├── FolderUnusable                   a folder can't be read, written or reached
│   ├── FolderNotMade                    initdb failed
│   ├── NotStartedYet
│   ├── ServerNotStarted
│   └── ServerNotStopped
└── DatabaseError                        any other error of the database

Each class holds its sentence, its hint and its exit code. A sentence says what failed
with its value, in lower case and without a full stop; a hint is a sentence that says
what to do. Both are templates, so that they can be shown in the reader's language.
"""

from agentpg.errors.accounts import (
    AccountExists as AccountExists,
    AccountNameWrong as AccountNameWrong,
    AccountNotFound as AccountNotFound,
    AnchorWrong as AnchorWrong,
    LastAdmin as LastAdmin,
    PasswordTooWeak as PasswordTooWeak,
    ScopesWrong as ScopesWrong,
    TokenNotFound as TokenNotFound,
)
from agentpg.errors.addresses import (
    AuthorityMissing as AuthorityMissing,
    CertificateNameWrong as CertificateNameWrong,
    CertificateNotFound as CertificateNotFound,
    CertificateUnusable as CertificateUnusable,
    ChangedSince as ChangedSince,
    ChangePending as ChangePending,
    HbaNotHere as HbaNotHere,
    HbaWrong as HbaWrong,
    LockedOut as LockedOut,
    LoginNotForTenants as LoginNotForTenants,
    NothingPending as NothingPending,
    RolesNotThere as RolesNotThere,
    TenantNameWrong as TenantNameWrong,
    TlsNotBuilt as TlsNotBuilt,
    TlsNotOffered as TlsNotOffered,
    TlsNotProved as TlsNotProved,
)
from agentpg.errors.backup import (
    BackupDamaged as BackupDamaged,
    BackupError as BackupError,
    BackupNotFound as BackupNotFound,
    BackupNotWhole as BackupNotWhole,
    CompressionNotBuilt as CompressionNotBuilt,
    CompressionUnknown as CompressionUnknown,
    FilesGone as FilesGone,
    NoBackups as NoBackups,
    NoBaseBackups as NoBaseBackups,
    ObjectMissing as ObjectMissing,
    PoolerInBetween as PoolerInBetween,
    ProgramsMissing as ProgramsMissing,
    RecordDamaged as RecordDamaged,
    RecordTooNew as RecordTooNew,
    RepositoryError as RepositoryError,
    RepositoryFull as RepositoryFull,
    RepositoryTooSmall as RepositoryTooSmall,
    RepositoryUnavailable as RepositoryUnavailable,
    SourceUnclear as SourceUnclear,
    TablesInUse as TablesInUse,
    TablesNotReadable as TablesNotReadable,
    ToolFailed as ToolFailed,
)
from agentpg.errors.base import (
    AgentpgError as AgentpgError,
)
from agentpg.errors.disk import (
    BallastThere as BallastThere,
    BallastTooLarge as BallastTooLarge,
    DataFolderUnknown as DataFolderUnknown,
    OtherCluster as OtherCluster,
    RewriteRefused as RewriteRefused,
    RewriteTooLarge as RewriteTooLarge,
    RoomUnknown as RoomUnknown,
    SlotActive as SlotActive,
    SlotNotFound as SlotNotFound,
    TableInUse as TableInUse,
    TableLocked as TableLocked,
    VacuumNotAllowed as VacuumNotAllowed,
    VacuumThroughPooler as VacuumThroughPooler,
)
from agentpg.errors.embedded import (
    BinariesMissing as BinariesMissing,
    EmbeddedServerError as EmbeddedServerError,
    FolderNotMade as FolderNotMade,
    FolderUnusable as FolderUnusable,
    NotStartedYet as NotStartedYet,
    ServerNotStarted as ServerNotStarted,
    ServerNotStopped as ServerNotStopped,
)
from agentpg.errors.failed import (
    ArchiveNotWhole as ArchiveNotWhole,
    CommandFailed as CommandFailed,
    DatabaseError as DatabaseError,
    DocumentUnusable as DocumentUnusable,
    EndpointError as EndpointError,
    EndpointFailed as EndpointFailed,
    EndpointMissing as EndpointMissing,
    EndpointRefused as EndpointRefused,
    FileNotWritten as FileNotWritten,
    HandlerStopped as HandlerStopped,
    MigrationBlocked as MigrationBlocked,
    NoSample as NoSample,
    NotCancelled as NotCancelled,
    NotDrained as NotDrained,
    NotEnded as NotEnded,
    NotExplained as NotExplained,
    OutputNotWritten as OutputNotWritten,
    ResultNotJson as ResultNotJson,
    ResultTooLarge as ResultTooLarge,
    ScheduleNotFound as ScheduleNotFound,
    SessionNotFound as SessionNotFound,
    StandInNotStarted as StandInNotStarted,
    TableNotFound as TableNotFound,
    TaskFailed as TaskFailed,
    TaskNotFound as TaskNotFound,
    WaitTimedOut as WaitTimedOut,
    WrongState as WrongState,
)
from agentpg.errors.notify import (
    AlertNotFound as AlertNotFound,
    MatcherWrong as MatcherWrong,
    NotTold as NotTold,
    NoWayToContact as NoWayToContact,
    SilenceNotFound as SilenceNotFound,
)
from agentpg.errors.passwords import (
    LoginInUse as LoginInUse,
    NoRotation as NoRotation,
    NoSuchRole as NoSuchRole,
    OldPasswordUnknown as OldPasswordUnknown,
    PairUnknown as PairUnknown,
    PasswordUnusable as PasswordUnusable,
    PasswordWeak as PasswordWeak,
    RotationBusy as RotationBusy,
    RotationHeldUp as RotationHeldUp,
    RotationNotProved as RotationNotProved,
    RotationUnderWay as RotationUnderWay,
)
from agentpg.errors.pgbackrest import (
    PgbackrestBackupGone as PgbackrestBackupGone,
    PgbackrestMissing as PgbackrestMissing,
    PgbackrestNotArchiving as PgbackrestNotArchiving,
    PgbackrestNotSealed as PgbackrestNotSealed,
    PgbackrestOutOfReach as PgbackrestOutOfReach,
    PgbackrestTooOld as PgbackrestTooOld,
    PgbackrestTypeUnknown as PgbackrestTypeUnknown,
    PointNotReached as PointNotReached,
)
from agentpg.errors.plans import (
    EffectStays as EffectStays,
    IndexKept as IndexKept,
    IndexLeft as IndexLeft,
    IndexNameShared as IndexNameShared,
    IndexNotFound as IndexNotFound,
    IndexNotMade as IndexNotMade,
    IndexNotUndone as IndexNotUndone,
    IndexTooLarge as IndexTooLarge,
    ParametersMissing as ParametersMissing,
    QueryNotFound as QueryNotFound,
    SeveralStatements as SeveralStatements,
    StatementLocked as StatementLocked,
    StatementNotPlanned as StatementNotPlanned,
    StatementOfOthers as StatementOfOthers,
    StatementsNotKept as StatementsNotKept,
    StatementTooSlow as StatementTooSlow,
    WriteNotRun as WriteNotRun,
)
from agentpg.errors.recovery import (
    ArchiveCommandFails as ArchiveCommandFails,
    ArchiveNotHere as ArchiveNotHere,
    ArchiveOutOfReach as ArchiveOutOfReach,
    ArchivingFailed as ArchivingFailed,
    ArchivingNotOurs as ArchivingNotOurs,
    ClusterInUse as ClusterInUse,
    CopyDamaged as CopyDamaged,
    FolderInTheWay as FolderInTheWay,
    HoldRefused as HoldRefused,
    HomesApart as HomesApart,
    MarkDamaged as MarkDamaged,
    MarkExists as MarkExists,
    MarkNameWrong as MarkNameWrong,
    MarkNotFound as MarkNotFound,
    NoClusterThere as NoClusterThere,
    NotABaseBackup as NotABaseBackup,
    OrdersIncomplete as OrdersIncomplete,
    OrdersUnusable as OrdersUnusable,
    RecoveryDiskFull as RecoveryDiskFull,
    RecoveryEnded as RecoveryEnded,
    RecoveryFailed as RecoveryFailed,
    RecoveryNotEnded as RecoveryNotEnded,
    RecoveryRefused as RecoveryRefused,
    RecoveryTooSmall as RecoveryTooSmall,
    ReplicationRefused as ReplicationRefused,
    ServerStillRuns as ServerStillRuns,
    TablespaceUnknown as TablespaceUnknown,
    TablespaceUnmapped as TablespaceUnmapped,
    TargetNotReached as TargetNotReached,
    TargetOutOfRange as TargetOutOfRange,
    TimelineUnclear as TimelineUnclear,
    UnfinishedNotSettled as UnfinishedNotSettled,
    WalDamaged as WalDamaged,
    WalDiffers as WalDiffers,
    WalMissing as WalMissing,
    WalNotThere as WalNotThere,
    WritesNotHeld as WritesNotHeld,
)
from agentpg.errors.refused import (
    AdoptionRefused as AdoptionRefused,
    EndingRefused as EndingRefused,
    FileNotOurs as FileNotOurs,
    MigrationChanged as MigrationChanged,
    NamesTaken as NamesTaken,
    NotForTesting as NotForTesting,
    PermissionDenied as PermissionDenied,
    Refused as Refused,
    SchemaMismatch as SchemaMismatch,
    SchemaMissing as SchemaMissing,
    TablesInTheWay as TablesInTheWay,
    WorkUnderWay as WorkUnderWay,
    WrongMajorVersion as WrongMajorVersion,
)
from agentpg.errors.restore import (
    ConditionWrong as ConditionWrong,
    DatabaseNameUnusable as DatabaseNameUnusable,
    DependentsNotMade as DependentsNotMade,
    NothingToUndo as NothingToUndo,
    RestoreDiskFull as RestoreDiskFull,
    RestoreFailed as RestoreFailed,
    RestoreKindUnknown as RestoreKindUnknown,
    RestoreNotRight as RestoreNotRight,
    RestoreRefused as RestoreRefused,
    RestoreServerTooOld as RestoreServerTooOld,
    RestoreTargetExists as RestoreTargetExists,
    RestoreTargetInUse as RestoreTargetInUse,
    RestoreTargetMissing as RestoreTargetMissing,
    RestoreTargetPrepared as RestoreTargetPrepared,
    RestoreTooSmall as RestoreTooSmall,
    RolesMissing as RolesMissing,
    ScratchDiskFull as ScratchDiskFull,
    ScratchError as ScratchError,
    ScratchNotStarted as ScratchNotStarted,
    ScratchTooSmall as ScratchTooSmall,
    SwapNotDone as SwapNotDone,
    TableNotInBackup as TableNotInBackup,
    TablespacesMissing as TablespacesMissing,
    TableWithoutKey as TableWithoutKey,
    WorkersConnected as WorkersConnected,
)
from agentpg.errors.sealing import (
    FieldSealed as FieldSealed,
    RedactionWrong as RedactionWrong,
    SealBroken as SealBroken,
    SealingKeyInUse as SealingKeyInUse,
    SealingKeyMissing as SealingKeyMissing,
    SealingKeysUnusable as SealingKeysUnusable,
    SealingKeyThere as SealingKeyThere,
    SealingKeyUnknown as SealingKeyUnknown,
)
from agentpg.errors.storage import (
    BucketMissing as BucketMissing,
    BucketRefused as BucketRefused,
    BucketUntrusted as BucketUntrusted,
    ExtraMissing as ExtraMissing,
    KeyBesideBackups as KeyBesideBackups,
    KeyMissing as KeyMissing,
    KeyNotFitting as KeyNotFitting,
    KeyThere as KeyThere,
    KeyUnusable as KeyUnusable,
    NotSealed as NotSealed,
    PassphraseWrong as PassphraseWrong,
    RepositoryUnknown as RepositoryUnknown,
    SealDamaged as SealDamaged,
    SealError as SealError,
    WalKeyMissing as WalKeyMissing,
)
from agentpg.errors.tuning import (
    MachineTooSmall as MachineTooSmall,
    SettingNotProposed as SettingNotProposed,
    SettingPinned as SettingPinned,
    SettingsManaged as SettingsManaged,
    SettingsNotAllowed as SettingsNotAllowed,
    SettingsNotApplied as SettingsNotApplied,
    UndoElsewhere as UndoElsewhere,
    UndoUnreadable as UndoUnreadable,
)
from agentpg.errors.unavailable import (
    DatabaseMissing as DatabaseMissing,
    DatabaseUnavailable as DatabaseUnavailable,
    LoginRefused as LoginRefused,
    ServerBusy as ServerBusy,
    ServerInRecovery as ServerInRecovery,
    ServerNotRunning as ServerNotRunning,
    ServerReadOnly as ServerReadOnly,
    ServerStarting as ServerStarting,
    ServerUnproved as ServerUnproved,
    TooManyConnections as TooManyConnections,
)
from agentpg.errors.usage import (
    AddressWrong as AddressWrong,
    AppNotFound as AppNotFound,
    ArchiveNotRead as ArchiveNotRead,
    BaselineWrong as BaselineWrong,
    CallInLoop as CallInLoop,
    ClientUnknown as ClientUnknown,
    CronNeverTrue as CronNeverTrue,
    CronWrong as CronWrong,
    FileNotRead as FileNotRead,
    HandlerNotImportable as HandlerNotImportable,
    IdempotencyConflict as IdempotencyConflict,
    InvalidAgent as InvalidAgent,
    InvalidSchedule as InvalidSchedule,
    InvalidTask as InvalidTask,
    KeyTaken as KeyTaken,
    LimitNotFound as LimitNotFound,
    ModuleBroken as ModuleBroken,
    ModuleMissing as ModuleMissing,
    NoAdministrator as NoAdministrator,
    NoDatabase as NoDatabase,
    NotAnApp as NotAnApp,
    NotPaused as NotPaused,
    PayloadNotJson as PayloadNotJson,
    PayloadNotParsed as PayloadNotParsed,
    PayloadTooLarge as PayloadTooLarge,
    RetentionNotSet as RetentionNotSet,
    RetentionTooShort as RetentionTooShort,
    SampleNotRead as SampleNotRead,
    ScheduleExists as ScheduleExists,
    SettingError as SettingError,
    UsageError as UsageError,
    VariableMissing as VariableMissing,
    WrongArgument as WrongArgument,
    WrongLimit as WrongLimit,
    WrongValue as WrongValue,
    ZoneUnknown as ZoneUnknown,
)
