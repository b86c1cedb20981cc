import ArgumentParser
import Foundation
import HCSAPI
import HCSModel

struct LogsCommand: AsyncParsableCommand {
    /// The most an agent gives of one stream.
    private static let everything = 4 << 20

    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print what a workload of this host wrote.",
        discussion: """
            Output stays on the host that runs the workload and is read through its agent: run this there.

            Examples:
              hcs logs train-a
              hcs logs train-a --stream stderr --tail 20
            """)

    @Argument(help: "Name or id of the workload.")
    var id: String

    @Option(name: .long, help: "stdout or stderr.")
    var stream: AgentClient.LogStream = .stdout

    @Option(name: .long, help: ArgumentHelp("Only the last lines.", valueName: "lines"))
    var tail: Int?

    @Option(
        name: .long, help: ArgumentHelp("Socket of the agent on this host.", valueName: "path"), completion: .file())
    var agentSocket: String?

    @OptionGroup var connection: SchedulerOptions

    func validate() throws {
        if let tail, tail < 0 { throw ValidationError("--tail \(tail): give a number of lines, 0 or more.") }
    }

    func run() async throws {
        let workload = try await resolve()
        let socket = agentSocket ?? LocalPaths.current.agentSocket
        let stream = self.stream
        let limit = Self.everything
        let data: Data
        do {
            data = try await HTTPAPIClient.with(endpoint: .unixSocket(path: socket), token: nil) {
                try await AgentClient($0).logs(workload.id, stream: stream, tail: limit)
            }
        } catch let error as ClientError where error.code == .unreachable {
            throw CommandFailure(.unavailable, "\(error.message) (the agent's socket: --agent-socket)")
        } catch let problem as APIProblem where problem.status == 404 {
            let place = workload.node.map { "it is on node \($0): run `hcs logs` there" } ?? "no node has it"
            throw CommandFailure(.noSuchThing, "the agent of this host has no output of \(id): \(place)")
        }
        FileHandle.standardOutput.write(tail.map { Self.lastLines($0, of: data) } ?? data)
    }

    /// An id is good as it is, so that logs can be read while the scheduler is away.
    private func resolve() async throws -> (id: WorkloadID, node: String?) {
        if let known = WorkloadID(id) { return (known, nil) }
        let name = id
        let view = try await connection.withClient { try await $0.workload(name) }
        return (view.id, view.node)
    }

    static func lastLines(_ count: Int, of data: Data) -> Data {
        guard count > 0 else { return Data() }
        var lines = 0
        var index = data.endIndex
        if data.last == UInt8(ascii: "\n") { index -= 1 }
        while index > data.startIndex {
            if data[index - 1] == UInt8(ascii: "\n") {
                lines += 1
                if lines == count { break }
            }
            index -= 1
        }
        return data[index...]
    }
}

extension AgentClient.LogStream: ExpressibleByArgument {}
