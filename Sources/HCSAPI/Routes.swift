/// Every path of the HTTP interfaces, in one place for servers and clients.
package enum Routes {
    // Scheduler.
    package static let health = "/healthz"
    package static let metrics = "/metrics"
    package static let nodes = "/v1/nodes"
    package static let devices = "/v1/devices"
    package static let workloads = "/v1/workloads"
    package static let plan = "/v1/plan"
    package static let cordons = "/v1/cordons"
    package static let liftCordon = "/v1/cordons/lift"
    package static let clearances = "/v1/clearances"
    package static let events = "/v1/events"
    package static let alerts = "/v1/alerts"
    package static let exchange = "/v1/exchange"
    package static let exchangeRate = "/v1/exchange/rate"
    package static let throughput = "/v1/throughput"
    package static let forgetThroughput = "/v1/throughput/forget"
    package static let queue = "/v1/queue"
    package static let queuePolicy = "/v1/queue/policy"
    package static let defragmentation = "/v1/defragmentation"

    package static func node(_ name: String) -> String { "\(nodes)/\(name)" }
    package static func assignments(_ node: String) -> String { "\(nodes)/\(node)/assignments" }
    package static func forget(_ node: String) -> String { "\(nodes)/\(node)/forget" }
    package static func workload(_ id: String) -> String { "\(workloads)/\(id)" }
    package static func explain(_ id: String) -> String { "\(workloads)/\(id)/explain" }

    // Agent, on its unix socket.
    package static let localStatus = "/v1/local/status"
    package static let localWorkloads = "/v1/local/workloads"
    package static let localLeases = "/v1/local/leases"
    package static func localLogs(_ id: String) -> String { "\(localWorkloads)/\(id)/logs" }
}

/// Limits that both sides keep.
package enum APILimits {
    /// Largest request body in bytes; a report of 16 devices and 512 workloads has about 0.5 MiB.
    package static let requestBody = 4 << 20
    /// Largest response body a client accepts.
    package static let responseBody = 64 << 20
    /// Logical processors of a host.
    package static let cpusPerNode = 65_536
    /// Longest wait of a long poll.
    package static let longPollSeconds = 30
    /// Workloads that are queued or running at once.
    package static let liveWorkloads = 10_000
    package static let devicesPerNode = 256
    package static let workloadsPerReport = 2_048
    /// Shares that one agent has given to its host's own users at once.
    package static let localLeases = 256
    package static let cordons = 10_000
    package static let clearances = 1_000
    /// Outcomes of clearances in one report.
    package static let outcomesPerReport = 256
    /// Events in one answer.
    package static let eventsPerPage = 500
    /// Bytes of a reason that somebody gives.
    package static let reason = 256
    /// Kept, each of one workload on one card; the oldest go first.
    package static let throughputRecords = 1_024
    /// Bytes of a card's or a workload's name.
    package static let exchangeName = 128
    /// Bytes of the name that a caller gives itself.
    package static let caller = 128
}
