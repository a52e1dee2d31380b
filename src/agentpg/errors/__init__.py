"""Everything that agentpg can fail with, in one tree.

AgentpgError                    exit 1   failed
├── UsageError                  exit 2   wrong usage
│   ├── WrongArgument                    a call was given what it can't use
│   ├── SettingError                     a setting has a wrong name or value
│   │   ├── WrongValue
│   │   └── RepositoryUnknown             no place that backups can lie in
│   ├── ExtraMissing                     a package is not installed
│   ├── KeyUnusable                      no key of sealed backups
│   ├── OrdersUnusable                   what says where WAL goes
│   │   └── OrdersIncomplete              it does not say all of it
│   ├── AppNotFound                      --app names nothing that can be loaded
│   │   ├── ModuleMissing
│   │   ├── ModuleBroken                  it raises while it is imported
│   │   ├── VariableMissing
│   │   └── NotAnApp
│   ├── FileNotRead
│   ├── InvalidTask                      a task that can't be submitted
│   │   ├── PayloadNotJson
│   │   ├── PayloadNotParsed              the text of a payload is not JSON
│   │   └── PayloadTooLarge
│   ├── InvalidSchedule                  a schedule that can't be kept
│   │   ├── CronWrong                     a cron line that can't be read
│   │   ├── CronNeverTrue                 a cron line that no moment fits
│   │   ├── ZoneUnknown
│   │   └── ScheduleExists
│   ├── IdempotencyConflict              one key, two payloads
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
│   ├── AddressWrong                     nothing can listen there
│   ├── NoAdministrator                  `setup` has nobody to act as
│   └── NoDatabase                       no database is configured
├── DatabaseUnavailable         exit 3   cannot reach the server, or not now
│   ├── ServerStarting
│   ├── ServerBusy                       full, locked, or out of resources
│   ├── ServerReadOnly                   by default_transaction_read_only, for example
│   │   └── ServerInRecovery
│   ├── TooManyConnections
│   ├── LoginRefused
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
│   │   └── VacuumNotAllowed              only who may maintain a table vacuums it
│   ├── KeyBesideBackups                 the key lies in the repository
│   ├── NotSealed                        nothing says for whom to seal a backup
│   ├── FolderInTheWay                   a folder that is to be made is there
│   ├── HomesApart                       on different file systems
│   ├── RecoveryNotEnded                 nothing is held yet in what is recovered
│   ├── ServerStillRuns                  its data folder is to change places
│   ├── ClusterInUse                     others are connected to what is to be replaced
│   ├── MarkExists                       recovery would stop at the first of the name
│   ├── ReplicationRefused               the role may not make a base backup
│   ├── ArchivingNotOurs                 the server archives elsewhere
│   ├── ArchiveOutOfReach                its account can't write there
│   ├── ArchiveNotHere                   its settings lie on the server's machine
│   ├── ArchiveCommandFails              its account can't run it, or is not let in
│   └── NotForTesting                    a database that tests may not throw away
├── FileNotWritten                       a file or folder can't be written
│   └── KeyThere                         a key is never written over
├── OutputNotWritten                     standard output takes no more
├── ArchiveNotWhole                      what was written does not read back
├── MigrationBlocked                     a migration did not get its locks
├── TableNotFound                        the schema has no such table or view
├── TableLocked                          it was not to be had within the time
├── SlotNotFound
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
├── NoSample                             nothing was kept to compare with
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

from agentpg.errors.backup import (
    BackupDamaged,
    BackupError,
    BackupNotFound,
    BackupNotWhole,
    CompressionNotBuilt,
    CompressionUnknown,
    FilesGone,
    NoBackups,
    NoBaseBackups,
    ObjectMissing,
    PoolerInBetween,
    ProgramsMissing,
    RecordDamaged,
    RecordTooNew,
    RepositoryError,
    RepositoryFull,
    RepositoryTooSmall,
    RepositoryUnavailable,
    SourceUnclear,
    TablesInUse,
    TablesNotReadable,
    ToolFailed,
)
from agentpg.errors.base import AgentpgError
from agentpg.errors.disk import (
    BallastThere,
    BallastTooLarge,
    DataFolderUnknown,
    OtherCluster,
    RewriteRefused,
    RewriteTooLarge,
    RoomUnknown,
    SlotActive,
    SlotNotFound,
    TableInUse,
    TableLocked,
    VacuumNotAllowed,
    VacuumThroughPooler,
)
from agentpg.errors.embedded import (
    BinariesMissing,
    EmbeddedServerError,
    FolderNotMade,
    FolderUnusable,
    NotStartedYet,
    ServerNotStarted,
    ServerNotStopped,
)
from agentpg.errors.failed import (
    ArchiveNotWhole,
    DatabaseError,
    DocumentUnusable,
    EndpointError,
    EndpointFailed,
    EndpointMissing,
    EndpointRefused,
    FileNotWritten,
    HandlerStopped,
    MigrationBlocked,
    NoSample,
    NotCancelled,
    NotDrained,
    NotExplained,
    OutputNotWritten,
    ResultNotJson,
    ResultTooLarge,
    ScheduleNotFound,
    StandInNotStarted,
    TableNotFound,
    TaskFailed,
    TaskNotFound,
    WaitTimedOut,
    WrongState,
)
from agentpg.errors.pgbackrest import (
    PgbackrestBackupGone,
    PgbackrestMissing,
    PgbackrestNotArchiving,
    PgbackrestNotSealed,
    PgbackrestOutOfReach,
    PgbackrestTooOld,
    PgbackrestTypeUnknown,
    PointNotReached,
)
from agentpg.errors.recovery import (
    ArchiveCommandFails,
    ArchiveNotHere,
    ArchiveOutOfReach,
    ArchivingFailed,
    ArchivingNotOurs,
    ClusterInUse,
    CopyDamaged,
    FolderInTheWay,
    HomesApart,
    MarkDamaged,
    MarkExists,
    MarkNameWrong,
    MarkNotFound,
    NoClusterThere,
    NotABaseBackup,
    OrdersIncomplete,
    OrdersUnusable,
    RecoveryDiskFull,
    RecoveryEnded,
    RecoveryFailed,
    RecoveryNotEnded,
    RecoveryRefused,
    RecoveryTooSmall,
    ReplicationRefused,
    ServerStillRuns,
    TablespaceUnknown,
    TablespaceUnmapped,
    TargetNotReached,
    TargetOutOfRange,
    TimelineUnclear,
    UnfinishedNotSettled,
    WalDamaged,
    WalDiffers,
    WalMissing,
    WalNotThere,
    WritesNotHeld,
)
from agentpg.errors.refused import (
    AdoptionRefused,
    FileNotOurs,
    MigrationChanged,
    NamesTaken,
    NotForTesting,
    PermissionDenied,
    Refused,
    SchemaMismatch,
    SchemaMissing,
    TablesInTheWay,
    WorkUnderWay,
    WrongMajorVersion,
)
from agentpg.errors.restore import (
    ConditionWrong,
    DatabaseNameUnusable,
    DependentsNotMade,
    NothingToUndo,
    RestoreDiskFull,
    RestoreFailed,
    RestoreKindUnknown,
    RestoreNotRight,
    RestoreRefused,
    RestoreServerTooOld,
    RestoreTargetExists,
    RestoreTargetInUse,
    RestoreTargetMissing,
    RestoreTargetPrepared,
    RestoreTooSmall,
    RolesMissing,
    ScratchDiskFull,
    ScratchError,
    ScratchNotStarted,
    ScratchTooSmall,
    SwapNotDone,
    TableNotInBackup,
    TablespacesMissing,
    TableWithoutKey,
    WorkersConnected,
)
from agentpg.errors.storage import (
    BucketMissing,
    BucketRefused,
    BucketUntrusted,
    ExtraMissing,
    KeyBesideBackups,
    KeyMissing,
    KeyNotFitting,
    KeyThere,
    KeyUnusable,
    NotSealed,
    PassphraseWrong,
    RepositoryUnknown,
    SealDamaged,
    SealError,
    WalKeyMissing,
)
from agentpg.errors.unavailable import (
    DatabaseMissing,
    DatabaseUnavailable,
    LoginRefused,
    ServerBusy,
    ServerInRecovery,
    ServerNotRunning,
    ServerReadOnly,
    ServerStarting,
    TooManyConnections,
)
from agentpg.errors.usage import (
    AddressWrong,
    AppNotFound,
    ArchiveNotRead,
    CallInLoop,
    ClientUnknown,
    CronNeverTrue,
    CronWrong,
    FileNotRead,
    HandlerNotImportable,
    IdempotencyConflict,
    InvalidAgent,
    InvalidSchedule,
    InvalidTask,
    LimitNotFound,
    ModuleBroken,
    ModuleMissing,
    NoAdministrator,
    NoDatabase,
    NotAnApp,
    NotPaused,
    PayloadNotJson,
    PayloadNotParsed,
    PayloadTooLarge,
    RetentionNotSet,
    RetentionTooShort,
    SampleNotRead,
    ScheduleExists,
    SettingError,
    UsageError,
    VariableMissing,
    WrongArgument,
    WrongLimit,
    WrongValue,
    ZoneUnknown,
)

__all__ = [
    "AddressWrong",
    "AdoptionRefused",
    "AgentpgError",
    "AppNotFound",
    "ArchiveCommandFails",
    "ArchiveNotHere",
    "ArchiveNotRead",
    "ArchiveNotWhole",
    "ArchiveOutOfReach",
    "ArchivingFailed",
    "ArchivingNotOurs",
    "BackupDamaged",
    "BackupError",
    "BackupNotFound",
    "BackupNotWhole",
    "BallastThere",
    "BallastTooLarge",
    "BinariesMissing",
    "BucketMissing",
    "BucketRefused",
    "BucketUntrusted",
    "CallInLoop",
    "ClientUnknown",
    "ClusterInUse",
    "CompressionNotBuilt",
    "CompressionUnknown",
    "ConditionWrong",
    "CopyDamaged",
    "CronNeverTrue",
    "CronWrong",
    "DataFolderUnknown",
    "DatabaseError",
    "DatabaseMissing",
    "DatabaseNameUnusable",
    "DatabaseUnavailable",
    "DependentsNotMade",
    "DocumentUnusable",
    "EmbeddedServerError",
    "EndpointError",
    "EndpointFailed",
    "EndpointMissing",
    "EndpointRefused",
    "ExtraMissing",
    "FileNotOurs",
    "FileNotRead",
    "FileNotWritten",
    "FilesGone",
    "FolderInTheWay",
    "FolderNotMade",
    "FolderUnusable",
    "HandlerNotImportable",
    "HandlerStopped",
    "HomesApart",
    "IdempotencyConflict",
    "InvalidAgent",
    "InvalidSchedule",
    "InvalidTask",
    "KeyBesideBackups",
    "KeyMissing",
    "KeyNotFitting",
    "KeyThere",
    "KeyUnusable",
    "LimitNotFound",
    "LoginRefused",
    "MarkDamaged",
    "MarkExists",
    "MarkNameWrong",
    "MarkNotFound",
    "MigrationBlocked",
    "MigrationChanged",
    "ModuleBroken",
    "ModuleMissing",
    "NamesTaken",
    "NoAdministrator",
    "NoBackups",
    "NoBaseBackups",
    "NoClusterThere",
    "NoDatabase",
    "NoSample",
    "NotABaseBackup",
    "NotAnApp",
    "NotCancelled",
    "NotDrained",
    "NotExplained",
    "NotForTesting",
    "NotPaused",
    "NotSealed",
    "NotStartedYet",
    "NothingToUndo",
    "ObjectMissing",
    "OrdersIncomplete",
    "OrdersUnusable",
    "OtherCluster",
    "OutputNotWritten",
    "PassphraseWrong",
    "PayloadNotJson",
    "PayloadNotParsed",
    "PayloadTooLarge",
    "PermissionDenied",
    "PgbackrestBackupGone",
    "PgbackrestMissing",
    "PgbackrestNotArchiving",
    "PgbackrestNotSealed",
    "PgbackrestOutOfReach",
    "PgbackrestTooOld",
    "PgbackrestTypeUnknown",
    "PointNotReached",
    "PoolerInBetween",
    "ProgramsMissing",
    "RecordDamaged",
    "RecordTooNew",
    "RecoveryDiskFull",
    "RecoveryEnded",
    "RecoveryFailed",
    "RecoveryNotEnded",
    "RecoveryRefused",
    "RecoveryTooSmall",
    "Refused",
    "ReplicationRefused",
    "RepositoryError",
    "RepositoryFull",
    "RepositoryTooSmall",
    "RepositoryUnavailable",
    "RepositoryUnknown",
    "RestoreDiskFull",
    "RestoreFailed",
    "RestoreKindUnknown",
    "RestoreNotRight",
    "RestoreRefused",
    "RestoreServerTooOld",
    "RestoreTargetExists",
    "RestoreTargetInUse",
    "RestoreTargetMissing",
    "RestoreTargetPrepared",
    "RestoreTooSmall",
    "ResultNotJson",
    "ResultTooLarge",
    "RetentionNotSet",
    "RetentionTooShort",
    "RewriteRefused",
    "RewriteTooLarge",
    "RolesMissing",
    "RoomUnknown",
    "SampleNotRead",
    "ScheduleExists",
    "ScheduleNotFound",
    "SchemaMismatch",
    "SchemaMissing",
    "ScratchDiskFull",
    "ScratchError",
    "ScratchNotStarted",
    "ScratchTooSmall",
    "SealDamaged",
    "SealError",
    "ServerBusy",
    "ServerInRecovery",
    "ServerNotRunning",
    "ServerNotStarted",
    "ServerNotStopped",
    "ServerReadOnly",
    "ServerStarting",
    "ServerStillRuns",
    "SettingError",
    "SlotActive",
    "SlotNotFound",
    "SourceUnclear",
    "StandInNotStarted",
    "SwapNotDone",
    "TableInUse",
    "TableLocked",
    "TableNotFound",
    "TableNotInBackup",
    "TableWithoutKey",
    "TablesInTheWay",
    "TablesInUse",
    "TablesNotReadable",
    "TablespaceUnknown",
    "TablespaceUnmapped",
    "TablespacesMissing",
    "TargetNotReached",
    "TargetOutOfRange",
    "TaskFailed",
    "TaskNotFound",
    "TimelineUnclear",
    "TooManyConnections",
    "ToolFailed",
    "UnfinishedNotSettled",
    "UsageError",
    "VacuumNotAllowed",
    "VacuumThroughPooler",
    "VariableMissing",
    "WaitTimedOut",
    "WalDamaged",
    "WalDiffers",
    "WalKeyMissing",
    "WalMissing",
    "WalNotThere",
    "WorkUnderWay",
    "WorkersConnected",
    "WritesNotHeld",
    "WrongArgument",
    "WrongLimit",
    "WrongMajorVersion",
    "WrongState",
    "WrongValue",
    "ZoneUnknown",
]
