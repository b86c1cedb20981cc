import HCSAPI
import HCSModel
import HCSSystem
import Logging

/// `cordons.json` of the agent's state directory: what the scheduler said last is out of service on this node. Without it an
/// agent that is started while its scheduler is away would lease what an operator took out. It only ever holds back, and
/// only until the scheduler is heard again.
package struct KeptCordons: Hashable, Sendable {
    /// More than a node has devices: of those that left it a cordon may stand.
    package static let limit = 1_024

    private struct Record: Codable {
        var node: String
        var cordons: [Cordon]
    }

    package let path: String
    /// Cordons are by name: those of another one are not this node's.
    package let node: String

    package init(path: String, node: String) {
        self.path = path
        self.node = node
    }

    /// Those of `node` and its devices in their order, the node's own first; bounded, whoever wrote them.
    static func bounded(_ cordons: [Cordon], of node: String) -> [Cordon] {
        cordons.filter { $0.target.node == node }.sorted { $0.target < $1.target }.prefix(limit).map { cordon in
            var cordon = cordon
            cordon.reason = String(decoding: cordon.reason.utf8.prefix(APILimits.reason), as: UTF8.self)
            cordon.by = String(decoding: cordon.by.utf8.prefix(APILimits.caller), as: UTF8.self)
            return cordon
        }
    }

    /// What was kept; none where there is no file. One that is damaged is set aside (`.damaged`).
    func read(_ logger: Logger) -> [Cordon] {
        do {
            let record = try WorkloadRecord.read(Record.self, from: path)
            guard record.node == node else {
                logger.notice(
                    "\(path) is of node \(record.node.prefix(64)), not of \(node): its cordons are not heeded")
                return []
            }
            return Self.bounded(record.cordons, of: node)
        } catch {
            if error.code != .unavailable {
                DamagedFile.setAside(path, error, "cordons in it are not heeded until the scheduler tells them", logger)
            }
            return []
        }
    }

    func write(_ cordons: [Cordon]) throws(AgentError) {
        try WorkloadRecord.write(Record(node: node, cordons: cordons), to: path)
    }
}
