package import Foundation
package import HCSModel

/// The local agent's API on its unix socket, typed.
package struct AgentClient: Sendable {
    package enum LogStream: String, CaseIterable, Sendable { case stdout, stderr }

    package let http: HTTPAPIClient

    package init(_ http: HTTPAPIClient) { self.http = http }

    package func status() async throws -> AgentStatus { try await http.get(Routes.localStatus, as: AgentStatus.self) }

    package func lease(_ request: LeaseRequest) async throws -> Lease {
        try await http.post(Routes.localLeases, request, as: Lease.self)
    }

    /// The end of a workload's output, at most `tail` bytes.
    package func logs(_ id: WorkloadID, stream: LogStream, tail: Int) async throws -> Data {
        try await http.getText("\(Routes.localLogs(id.text))?stream=\(stream.rawValue)&tail=\(tail)")
    }
}
