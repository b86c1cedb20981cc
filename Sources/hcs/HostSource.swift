import ArgumentParser
import Foundation
import HCSAPI

/// Where a verb about hosts gets its answer: the scheduler knows all of them, the agent of this host its own.
struct HostSource: ParsableArguments {
    @Flag(name: .long, help: "Ask the agent of this host, not the scheduler.")
    var local = false

    @Option(
        name: .long, help: ArgumentHelp("Socket of the agent on this host.", valueName: "path"), completion: .file())
    var agentSocket: String?

    @OptionGroup var connection: SchedulerOptions

    /// Asks the scheduler; this host's agent with `--local`, and where no scheduler was named and none answers.
    func ask<Value: Sendable>(
        scheduler: @Sendable (SchedulerClient) async throws -> Value, agent: @Sendable (AgentStatus) throws -> Value
    ) async throws -> Value {
        if local { return try agent(try await agentStatus()) }
        let isNamed = connection.scheduler != nil || LocalPaths.current.environment["HCS_SCHEDULER"] != nil
        let unreachable: ClientError
        do { return try await connection.withClient(scheduler) } catch let error as ClientError
            where error.code == .unreachable && !isNamed
        {
            unreachable = error
        }
        let status: AgentStatus
        do { status = try await agentStatus() } catch {
            throw CommandFailure(
                .unavailable, "\(unreachable.message) And no agent of this host answers (--agent-socket)")
        }
        FileHandle.standardError.write(
            Data("hcs: no scheduler answers; this is what the agent of this host says\n".utf8))
        return try agent(status)
    }

    private func agentStatus() async throws -> AgentStatus {
        let socket = agentSocket ?? LocalPaths.current.agentSocket
        do {
            return try await HTTPAPIClient.with(endpoint: .unixSocket(path: socket), token: nil) {
                try await AgentClient($0).status()
            }
        } catch let error as ClientError where error.code == .unreachable {
            throw CommandFailure(.unavailable, "\(error.message) (the agent's socket: --agent-socket)")
        }
    }
}
