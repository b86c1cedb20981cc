import HCSModel

/// Prefers the card on which the share is worth least, in thousandths of the exchange table's unit card: work that fits a
/// small card is not put on a large one.
struct CostScore: ScorePlugin {
    let name = "cost"
    let basis = ScoreBasis.kind
    let exchange: ExchangeTable

    /// So that a cheaper card outweighs what packing gains on a dearer one in all but narrow cases. Judgement.
    private static let weight = 2.0
    private static let limit = 10_000.0

    /// A card whose worth nobody knows counts as one unit.
    func score(_ request: PlacementRequest, on device: DeviceState, of node: NodeState) -> Int {
        let precision: Precision =
            if case .teraflops(_, let precision) = request.placement.compute { precision } else { .fp16 }
        let kind = request.placement.workloadClass ?? .training
        let worth =
            (try? exchange.teraflops(of: device.device, class: kind, precision).get())
            .map { $0 / precision.unitCard.tflops } ?? 1
        let share = DeviceAsk(request, on: device.device, exchange).share(of: device.device.memory.bytes)
        return -Int(min(Self.weight * Double(share) * worth, Self.limit).rounded())
    }
}
