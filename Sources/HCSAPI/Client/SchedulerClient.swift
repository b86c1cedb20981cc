package import Foundation
package import HCSModel

/// The scheduler's API, typed.
package struct SchedulerClient: Sendable {
    package let http: HTTPAPIClient

    package init(_ http: HTTPAPIClient) { self.http = http }

    /// - Parameter report: a `NodeReport` of that node, as `ReportWriter` wrote it.
    package func report(_ report: Data, node: String) async throws -> ReportReceipt {
        try await http.put(Routes.node(node), json: report, as: ReportReceipt.self)
    }

    /// Waits up to `wait` seconds for a revision after `after`; answers the present set either way.
    package func assignments(node: String, after: Revision, wait: Int) async throws -> NodeAssignments {
        try await http.get(
            "\(Routes.assignments(node))?after=\(after)&wait=\(wait)", as: NodeAssignments.self,
            timeoutSeconds: Int64(wait) + 10)
    }

    package func nodes() async throws -> ItemList<NodeView> {
        try await http.get(Routes.nodes, as: ItemList<NodeView>.self)
    }

    package func devices() async throws -> ItemList<DeviceView> {
        try await http.get(Routes.devices, as: ItemList<DeviceView>.self)
    }

    /// Ended ones are left out unless `all`.
    package func workloads(all: Bool = false) async throws -> ItemList<WorkloadView> {
        try await http.get(Routes.workloads + (all ? "?all=true" : ""), as: ItemList<WorkloadView>.self)
    }

    package func workload(_ idOrName: String) async throws -> WorkloadView {
        try await http.get(Routes.workload(try Self.segment(idOrName)), as: WorkloadView.self)
    }

    package func submit(_ spec: WorkloadSpec) async throws -> WorkloadView {
        try await http.post(Routes.workloads, spec, as: WorkloadView.self)
    }

    /// What would become of it; nothing is submitted.
    package func plan(_ spec: WorkloadSpec) async throws -> PlanView {
        try await http.post(Routes.plan, spec, as: PlanView.self)
    }

    package func delete(_ idOrName: String) async throws -> WorkloadView {
        try await http.delete(Routes.workload(try Self.segment(idOrName)), as: WorkloadView.self)
    }

    package func change(_ idOrName: String, _ change: WorkloadChange) async throws -> WorkloadView {
        try await http.patch(Routes.workload(try Self.segment(idOrName)), change, as: WorkloadView.self)
    }

    package func explain(_ idOrName: String) async throws -> Explanation {
        try await http.get(Routes.explain(try Self.segment(idOrName)), as: Explanation.self)
    }

    /// A workload's id or name as one path segment: both are of a-z 0-9 - . only.
    private static func segment(_ text: String) throws(APIProblem) -> String {
        guard !text.isEmpty, text.utf8.count <= 63, !text.hasPrefix("."),
            text.utf8.allSatisfy({
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
            })
        else { throw .badRequest("'\(text.prefix(80))' is neither a workload's id nor a name") }
        return text
    }
}
