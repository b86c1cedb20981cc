import Glibc
package import HCSModel
import HCSSystem

/// Runs measurements, one at a time, each in a child process (`MeasurementProgram`) that is ended when it takes too long or
/// its device is wanted. Blocks on a thread of its own.
package actor Measurer {
    private nonisolated let executor = ThreadExecutor(name: "measure-lane")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let executable: String
    private let hostEnvironment: [String: String]

    /// - Parameters:
    ///   - executable: path of `hcs-vendor-worker`.
    ///   - hostEnvironment: of it the child gets `LD_LIBRARY_PATH`.
    package init(executable: String, hostEnvironment: [String: String] = [:]) {
        self.executable = executable
        self.hostEnvironment = hostEnvironment
    }

    package struct Bounds: Hashable, Sendable {
        /// Aimed at.
        package var milliseconds: UInt32
        package var memory: UInt64
        /// After which the child is killed.
        package var limit: Duration

        package init(
            milliseconds: UInt32 = 6000, memory: UInt64 = MeasurementLimits.memory, limit: Duration = .seconds(60)
        ) {
            self.milliseconds = milliseconds
            self.memory = memory
            self.limit = limit
        }
    }

    /// Measures the processors of this host.
    package func measureCPU(
        _ bounds: Bounds = Bounds(milliseconds: 4000, memory: 8 << 30)
    ) throws(DeviceError) -> MeasuredFigures {
        try run(["--measure", "cpu"], environment: [:], bounds) { false }
    }

    /// Measures a device that nobody uses.
    /// - Parameter isWanted: asked a few times a second; true ends the measurement.
    package func measure(
        _ device: DeviceID, of source: VendorSource, _ bounds: Bounds = Bounds(),
        isWanted: @Sendable () -> Bool = { false }
    ) throws(DeviceError) -> MeasuredFigures {
        guard source.vendor == .nvidia else { throw DeviceError(.symbolsMissing, MeasurementSubject.untested) }
        var arguments = ["--measure", source.vendor.rawValue, "--device", device.uuid]
        var environment: [String: String] = [:]
        if case .simulated(let directory, let stateFile) = source.kind {
            arguments += ["--library-directory", directory]
            environment = ["LD_LIBRARY_PATH": directory, "HCS_SIM_STATE": stateFile]
        }
        return try run(arguments, environment: environment, bounds, isWanted)
    }

    private func run(
        _ arguments: [String], environment: [String: String], _ bounds: Bounds, _ isWanted: () -> Bool
    ) throws(DeviceError) -> MeasuredFigures {
        var environment = environment
        environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        environment["SWIFT_BACKTRACE"] = "enable=no"
        let paths = [environment["LD_LIBRARY_PATH"], hostEnvironment["LD_LIBRARY_PATH"]].compactMap { $0 }
        if !paths.isEmpty { environment["LD_LIBRARY_PATH"] = paths.joined(separator: ":") }
        let numbers = ["--milliseconds", "\(bounds.milliseconds)", "--memory-limit", "\(bounds.memory)"]
        let process = try MeasurementProcess(
            executable: executable, arguments: arguments + numbers, environment: environment)
        let reply: [UInt8]
        do throws(DeviceError) { reply = try process.reply(within: bounds.limit, isWanted) } catch {
            process.end()
            throw error
        }
        process.end()
        return try MeasuredFigures(json: try WorkerProtocol.value(of: reply, number: 1))
    }
}

/// The child and our end of its socket.
private struct MeasurementProcess: ~Copyable {
    private let child: ChildProcess
    private let socket: Descriptor

    private static let maximumReply = 64 << 10
    /// How often somebody is asked whether the device is wanted.
    private static let step: Int32 = 100

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

    /// The one line that the child writes, without its newline.
    func reply(within limit: Duration, _ isWanted: () -> Bool) throws(DeviceError) -> [UInt8] {
        let end = SuspendingClock.now + limit
        var reply: [UInt8] = []
        while true {
            if let newline = reply.firstIndex(of: UInt8(ascii: "\n")) { return Array(reply[..<newline]) }
            guard reply.count <= Self.maximumReply else { throw DeviceError(.badReply, "the answer is too long") }
            guard SuspendingClock.now < end else {
                throw DeviceError(.deadlineMissed, "the measurement did not end within \(limit)")
            }
            guard !isWanted() else { throw DeviceError(.notRunning, "stopped: the device is wanted") }
            var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, Self.step) > 0 else { continue }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = recv(socket.number, &chunk, chunk.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else {
                let status = (try? child.wait(milliseconds: 1000)) ?? nil
                let how = status.map { ": \($0)" } ?? ""
                throw DeviceError(.workerDied, "the measuring process ended without an answer\(how)")
            }
            reply += chunk.prefix(count)
        }
    }

    /// One that survives SIGKILL is inside the kernel and left to its alarm.
    func end() {
        if ((try? child.wait(milliseconds: 2000)) ?? nil) != nil { return }
        try? child.signal(SIGKILL)
        _ = try? child.wait(milliseconds: 2000)
    }
}
