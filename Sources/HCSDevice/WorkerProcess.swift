import Glibc
import HCSSystem

/// One running worker: its process and our end of its socket, which closes with this value. The process is not reaped by
/// it: ending one takes time (`VendorWorker`).
struct WorkerProcess: ~Copyable {
    let child: ChildProcess
    private let socket: Descriptor
    private var lastNumber: UInt64 = 0
    private var pending: [UInt8] = []

    /// Starts `executable` with the socket as descriptor 3, standard streams on /dev/null, and this environment alone.
    init(executable: String, arguments: [String], environment: [String: String]) throws(DeviceError) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw DeviceError(.spawnFailed, "socketpair: \(SystemError.text(of: errno))")
        }
        let ours = Descriptor(owning: ends[0])
        let theirs = Descriptor(owning: ends[1])
        do {
            child = try ProcessSpawner(path: executable, arguments: arguments, environment: environment, directory: "/")
                .spawn(extra: [theirs.number])
        } catch {
            throw DeviceError(.spawnFailed, error.message, cause: error)
        }
        socket = ours
    }

    /// Asks and waits for the answer.
    /// - Throws: `deadlineMissed`, `workerDied`, `badReply` (the worker is of no use after these), or the worker's error.
    mutating func request(_ request: WorkerProtocol.Request, deadline: Duration) throws(DeviceError) -> JSONValue {
        let end = SuspendingClock.now + deadline
        lastNumber += 1
        guard pending.isEmpty else { throw DeviceError(.badReply, "the worker talks without being asked") }
        let line = WorkerProtocol.line(lastNumber, request)
        let sent = line.withUnsafeBytes {
            send(socket.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        }
        if sent != line.count {
            if errno == EPIPE || errno == ECONNRESET { throw DeviceError(.workerDied, "the worker is gone") }
            throw DeviceError(.deadlineMissed, "the worker does not read its requests")
        }
        while true {
            if let newline = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let reply = Array(pending[..<newline])
                pending.removeSubrange(...newline)
                return try WorkerProtocol.value(of: reply, number: lastNumber)
            }
            guard pending.count <= WorkerProtocol.maximumReply else {
                throw DeviceError(.badReply, "the worker's reply is longer than \(WorkerProtocol.maximumReply) bytes")
            }
            try receive(request, until: end, deadline)
        }
    }

    private mutating func receive(
        _ request: WorkerProtocol.Request, until end: SuspendingClock.Instant, _ deadline: Duration
    ) throws(DeviceError) {
        let left = end - SuspendingClock.now
        var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        guard left > .zero, poll(&entry, 1, Self.milliseconds(left)) != 0 else {
            let what = request == .hello ? "the library did not open" : "'\(request.rawValue)' was not answered"
            throw DeviceError(.deadlineMissed, "\(what) within \(deadline)")
        }
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(socket.number, &chunk, chunk.count, Int32(MSG_DONTWAIT))
        if count < 0, errno == EINTR || errno == EAGAIN { return }
        guard count > 0 else { throw DeviceError(.workerDied, "the worker ended during '\(request.rawValue)'") }
        pending += chunk.prefix(count)
    }

    /// Rounded up, so that a wait never ends just before its deadline and spins.
    private static func milliseconds(_ duration: Duration) -> Int32 {
        let (seconds, attoseconds) = duration.components
        let whole = min(max(seconds, 0), 86_400) * 1000 + attoseconds / 1_000_000_000_000_000 + 1
        return Int32(clamping: whole)
    }
}
