import ArgumentParser
import Foundation
import HCSAPI
import HCSModel
import HCSSystem

/// Leases from the agent of this host and becomes the command. The scheduler is not asked.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a command here and now with a share of a device of this host.",
        discussion: """
            The agent of this host gives the share; the command is yours: your terminal, user, directory and exit code. \
            The share is given back when the last of its processes has ended. Without an agent set HCS_VRAM_QUOTA and \
            LD_PRELOAD instead.

            Exit codes: those of the command; 127 when it is not found, 126 when it cannot be run; 65 when no device of \
            this host will ever do, 75 when none has room now, 69 without an agent, 77 without permission.

            Examples:
              hcs run --vram 4Gi --vendor nvidia -- python train.py
              hcs run --vram 512Mi --runtime acl --job probe -- ./probe
            """)

    @Option(
        name: .long, help: ArgumentHelp("Device memory it may use, such as 4Gi.", valueName: "size"),
        transform: Self.size)
    var vram: ByteCount

    @Option(name: .long, help: "The maker of the device: nvidia, ascend, hygon or cambricon.")
    var vendor: Vendor?

    @Option(name: .long, help: "Instead of a maker the runtime: cuda, acl, hip or cnrt.")
    var runtime: Runtime?

    @Option(
        name: .long, help: ArgumentHelp("This device (its UUID), not the one with most free memory.", valueName: "id"))
    var device: String?

    @Option(name: .long, help: "A name for the lease: 1 to 63 of a-z 0-9 - and dot.")
    var job: String?

    @Option(
        name: .long, help: ArgumentHelp("Socket of the agent on this host.", valueName: "path"), completion: .file())
    var agentSocket: String?

    @Argument(parsing: .postTerminator, help: ArgumentHelp("-- program and its arguments.", valueName: "command"))
    var command: [String] = []

    private static func size(_ text: String) throws -> ByteCount {
        do { return try ByteCount.parse(text) } catch { throw ValidationError(error.message) }
    }

    func validate() throws {
        guard !command.isEmpty, !command[0].isEmpty else {
            throw ValidationError("Say what to run after '--': hcs run … -- program args")
        }
        guard (vendor == nil) != (runtime == nil) else {
            throw ValidationError("Give --vendor or --runtime, one of them.")
        }
    }

    func run() async throws {
        let inherited = Set(Self.descriptors())
        let request = try self.request()
        let lease = try await self.lease(request)
        // What the HTTP client left open is not the command's; what the caller passed on is.
        for number in Self.descriptors() where !inherited.contains(number) { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
        let environment = lease.environment.applied(to: ProcessInfo.processInfo.environment)
        try Self.requireReadable(preload: environment["LD_PRELOAD"])
        try Self.become(command, environment: environment)
    }

    /// For this process: exec keeps its pid and start time.
    func request() throws -> LeaseRequest {
        let own = try Procfs().stat(of: getpid())
        let request = LeaseRequest(
            vendor: vendor, runtime: runtime, device: device.map { DeviceID($0) }, bytes: vram, name: job, pid: own.pid,
            startTime: own.startTime)
        try request.validate()
        return request
    }

    private func lease(_ request: LeaseRequest) async throws -> Lease {
        let socket = agentSocket ?? LocalPaths.current.agentSocket
        do {
            guard access(socket, F_OK) == 0 else { throw ClientError(.unreachable, "no agent listens on \(socket)") }
            return try await HTTPAPIClient.with(endpoint: .unixSocket(path: socket), token: nil) {
                try await AgentClient($0).lease(request)
            }
        } catch let error as ClientError where error.code == .unreachable {
            guard access(socket, F_OK) != 0 || access(socket, R_OK | W_OK) == 0 else {
                throw CommandFailure(
                    .noPermission, "you may not open \(socket): root, the agent's user and the socket's group may")
            }
            throw CommandFailure(
                .unavailable,
                "\(error.message) (--agent-socket names another). Without an agent the quota holds as well: "
                    + "HCS_VRAM_QUOTA=\(Self.exact(request.bytes)) LD_PRELOAD=/usr/lib/hcs/libhcs_interceptor.so \(command[0])"
            )
        }
    }

    /// In the quota grammar, which knows no fractions.
    static func exact(_ count: ByteCount) -> String {
        for (suffix, factor) in [("Gi", UInt64(1) << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)]
        where count.bytes >= factor && count.bytes % factor == 0 {
            return "\(count.bytes / factor)\(suffix)"
        }
        return "\(count.bytes)"
    }

    /// The dynamic linker passes over what it cannot read, and the command would run without its quota.
    private static func requireReadable(preload: String?) throws {
        guard let path = preload?.split(whereSeparator: { $0 == ":" || $0 == " " }).first.map(String.init) else {
            return
        }
        guard access(path, R_OK) == 0 else {
            throw CommandFailure(
                .noPermission,
                "you cannot read the preload library \(path), and without it no quota holds: \(String(cString: strerror(errno)))"
            )
        }
    }

    /// Open ones beyond the standard three. The listing's own is in the listing, and closed when it is read.
    private static func descriptors() -> [Int32] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []).compactMap { Int32($0) }
            .filter { $0 > 2 && fcntl($0, F_GETFD) >= 0 }
    }

    /// Replaces this process. Returns only by an error, with the code a shell gives.
    private static func become(_ command: [String], environment: [String: String]) throws {
        for name in ProcessInfo.processInfo.environment.keys where environment[name] == nil { unsetenv(name) }
        for (name, value) in environment { setenv(name, value, 1) }
        // The threads of the Swift runtime block signals and its network library ignores SIGPIPE; exec would pass both on.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        signal(SIGPIPE, SIG_DFL)
        var argv: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        argv.append(nil)
        execvp(command[0], argv)
        let number = errno
        argv.forEach { free($0) }
        let why = number == ENOENT ? "command not found" : String(cString: strerror(number))
        FileHandle.standardError.write(Data("hcs: \(command[0]): \(why)\n".utf8))
        throw ExitCode(number == ENOENT ? 127 : 126)
    }
}

extension Vendor: ExpressibleByArgument {}
