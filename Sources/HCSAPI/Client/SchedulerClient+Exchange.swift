import Foundation
package import HCSModel

extension SchedulerClient {
    package func exchange(class workloadClass: WorkloadClass, precision: Precision) async throws -> ExchangeView {
        try await http.get(
            "\(Routes.exchange)?class=\(workloadClass.rawValue)&precision=\(precision.rawValue)", as: ExchangeView.self)
    }

    package func exchangeRate(
        from: String, to: String, class workloadClass: WorkloadClass, precision: Precision
    ) async throws -> ExchangeRate {
        let cards = "from=\(try Self.queryValue(from))&to=\(try Self.queryValue(to))"
        return try await http.get(
            "\(Routes.exchangeRate)?\(cards)&class=\(workloadClass.rawValue)&precision=\(precision.rawValue)",
            as: ExchangeRate.self)
    }

    package func throughput() async throws -> ItemList<ThroughputRecord> {
        try await http.get(Routes.throughput, as: ItemList<ThroughputRecord>.self)
    }

    package func report(_ report: ThroughputReport) async throws -> ItemList<ThroughputRecord> {
        try await http.post(Routes.throughput, report, as: ItemList<ThroughputRecord>.self)
    }

    /// - Returns: what was forgotten; empty where nothing was known.
    package func forget(_ request: ForgetThroughputRequest) async throws -> ItemList<ThroughputRecord> {
        try await http.post(Routes.forgetThroughput, request, as: ItemList<ThroughputRecord>.self)
    }

    private static func queryValue(_ text: String) throws(APIProblem) -> String {
        guard (1...APILimits.exchangeName).contains(text.utf8.count),
            let coded = text.addingPercentEncoding(withAllowedCharacters: .alphanumerics)
        else { throw .badRequest("a card's name has 1 to \(APILimits.exchangeName) bytes") }
        return coded
    }
}
