internal import CHCSSystem
internal import Glibc
package import HCSModel

/// Starts a child process: argument vector, environment and descriptors are what is given here and nothing else.
package struct ProcessSpawner: Sendable {
    package var path: String
    package var arguments: [String]
    package var environment: [String: String]
    package var directory: String?
    /// A session of its own: signals for our terminal do not reach it.
    package var newSession: Bool

    /// `arguments` without the program's name, which is `path`.
    package init(
        path: String, arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil,
        newSession: Bool = true
    ) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.newSession = newSession
    }

    package static let maximumExtraDescriptors = 13

    /// Starts it. `input`, `output` and `error` nil mean /dev/null; `extra[i]` becomes descriptor 3 + i.
    /// The caller keeps its own copies. A program that cannot be executed is an error here (posix_spawn tells).
    package func spawn(
        input: Int32? = nil, output: Int32? = nil, error: Int32? = nil, extra: [Int32] = []
    ) throws(SystemError) -> ChildProcess {
        guard extra.count <= Self.maximumExtraDescriptors else {
            throw SystemError(
                .tooLarge, "could not start \(path): more than \(Self.maximumExtraDescriptors) descriptors")
        }
        let texts = [path, directory ?? ""] + arguments + environment.keys + environment.values
        guard !texts.contains(where: { $0.utf8.contains(0) }) else {
            throw SystemError(
                .invalid, "could not start \(path): a NUL byte in its path, arguments, environment or directory")
        }
        let null = try Descriptor.open("/dev/null", O_RDWR)
        let descriptors = [input ?? null.number, output ?? null.number, error ?? null.number] + extra
        let flags: UInt32 = newSession ? HCS_SPAWN_SETSID : 0
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }

        var pid: pid_t = 0
        let result = withCStrings([path] + arguments) { argv in
            withCStrings(variables) { envp in
                if let directory {
                    hcs_spawn(path, argv, envp, directory, descriptors, Int32(descriptors.count), flags, &pid)
                } else {
                    hcs_spawn(path, argv, envp, nil, descriptors, Int32(descriptors.count), flags, &pid)
                }
            }
        }
        guard result == 0 else { throw .failed("start \(path)", errno: -result) }
        let pidfd = hcs_pidfd_open(pid)
        guard pidfd >= 0 else {
            // Without a handle we could not tell it from a later process with its pid: end it while the pid is ours.
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            throw .failed("open process \(pid) (\(path))", errno: -pidfd, hint: "HCS needs Linux 5.3 or later")
        }
        return ChildProcess(pid: pid, pidfd: Descriptor(owning: pidfd))
    }
}

/// Hands C a NULL-terminated array of strings.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    pointers.append(nil)
    return pointers.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("the array has its NULL") }
        return body(base)
    }
}

/// A child that `ProcessSpawner` started. Dropping it neither ends nor reaps the process.
package final class ChildProcess: Sendable {
    package let pid: Int32
    private let pidfd: Descriptor

    init(pid: Int32, pidfd: consuming Descriptor) {
        self.pid = pid
        self.pidfd = pidfd
    }

    /// For poll(2): readable when the process has ended.
    package var number: Int32 { pidfd.number }

    /// Sends a signal; never to a later process with the same pid. An ended process is not an error.
    package func signal(_ number: Int32) throws(SystemError) {
        let result = hcs_pidfd_send_signal(pidfd.number, number)
        guard result == 0 || result == -ESRCH else {
            throw .failed("send signal \(number) to process \(pid)", errno: -result)
        }
    }

    /// Looks whether it has ended and reaps it: nil while it runs. Once it has given a status, call it no more.
    package func poll() throws(SystemError) -> ExitStatus? {
        var code: Int32 = -1
        var signal: Int32 = 0
        let result = hcs_wait_now(pid, &code, &signal)
        guard result >= 0 else { throw .failed("wait for process \(pid)", errno: -result) }
        guard result == 1 else { return nil }
        return signal != 0 ? ExitStatus(signal: signal) : ExitStatus(code: code)
    }

    /// Waits in poll(2) and reaps it: nil after the time. Blocks: not for the cooperative pool.
    package func wait(milliseconds: Int32) throws(SystemError) -> ExitStatus? {
        var entry = pollfd(fd: pidfd.number, events: Int16(POLLIN), revents: 0)
        _ = Glibc.poll(&entry, 1, milliseconds)
        return try poll()
    }
}

/// A process that is somebody else's child, by pid and start time.
package struct ProcessHandle: ~Copyable, Sendable {
    package let pid: Int32
    private let pidfd: Descriptor

    /// Opens it; nil when no process has this pid and start time any more.
    package static func open(pid: Int32, startTime: UInt64, procfs: Procfs = Procfs()) throws(SystemError)
        -> ProcessHandle?
    {
        let number = hcs_pidfd_open(pid)
        if number == -ESRCH { return nil }
        guard number >= 0 else { throw .failed("open process \(pid)", errno: -number) }
        let handle = ProcessHandle(pid: pid, pidfd: Descriptor(owning: number))
        // Checked after the open: from here on the handle cannot come to mean another process.
        guard procfs.isAlive(pid: pid, startTime: startTime) else { return nil }
        return handle
    }

    private init(pid: Int32, pidfd: consuming Descriptor) {
        self.pid = pid
        self.pidfd = pidfd
    }

    /// For poll(2): readable when the process has ended.
    package var number: Int32 { pidfd.number }

    package func signal(_ number: Int32) throws(SystemError) {
        let result = hcs_pidfd_send_signal(pidfd.number, number)
        guard result == 0 || result == -ESRCH else {
            throw .failed("send signal \(number) to process \(pid)", errno: -result)
        }
    }
}

/// Who connected to a unix socket.
package struct PeerCredentials: Hashable, Sendable {
    package var pid: Int32
    package var uid: UInt32
    package var gid: UInt32

    /// SO_PEERCRED: as it was at connect(2).
    package static func of(socket: Int32) throws(SystemError) -> PeerCredentials {
        var peer = hcs_peer()
        let result = hcs_peer_credentials(socket, &peer)
        guard result == 0 else { throw .failed("ask who is at socket \(socket)", errno: -result) }
        return PeerCredentials(pid: peer.pid, uid: peer.uid, gid: peer.gid)
    }
}
