package import Foundation
import Glibc
import HCSModel
import HCSSystem
import Synchronization

/// Runs a program for each alert: no shell, no arguments, the alert on its standard input, an environment of PATH only.
/// It and what it started in its session are killed at the deadline.
package struct ProgramSender: AlertSender {
    package let name: String
    private let path: String
    private let deadline: Duration

    package init(path: String, deadline: Duration) {
        self.path = path
        self.deadline = deadline
        name = "program \(path)"
    }

    package func send(_ body: Data) async throws {
        let stop = Mutex(false)
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                // Waiting for a process blocks: not for the pool.
                Thread.detachNewThread {
                    continuation.resume(
                        with: Result { try run(body, isStopped: { stop.withLock { $0 } }) })
                }
            }
        } onCancel: {
            stop.withLock { $0 = true }
        }
    }

    private func run(_ body: Data, isStopped: () -> Bool) throws {
        let child: ChildProcess
        do { child = try start(body) } catch {
            throw AlertError("\(error)", isTransient: false)
        }
        let end = ContinuousClock.now + deadline
        while ContinuousClock.now < end, !isStopped() {
            guard let status = try child.wait(milliseconds: 100) else { continue }
            guard status.isSuccess else { throw AlertError("it ended with \(status)") }
            return
        }
        // Not reaped yet, so the group is still its own.
        kill(-child.pid, SIGKILL)
        _ = try child.wait(milliseconds: 5_000)
        throw AlertError("it was killed after \(deadline)", isTransient: false)
    }

    private func start(_ body: Data) throws(SystemError) -> ChildProcess {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .failed("make a pipe", errno: errno) }
        let input = Descriptor(owning: ends[0])
        let output = Descriptor(owning: ends[1])
        guard fcntl(output.number, F_SETFL, O_NONBLOCK) == 0 else { throw .failed("set up a pipe", errno: errno) }
        // An alert is smaller than a pipe, so all of it waits there for a program that reads late, or never.
        try output.writeAll(Array(body), to: "the pipe to \(path)")
        return try ProcessSpawner(
            path: path, environment: ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            directory: "/"
        ).spawn(input: input.number)
    }

    package func close() async {}
}
