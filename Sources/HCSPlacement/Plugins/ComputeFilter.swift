import HCSModel

/// Enough of the device's compute must be left; TFLOPS are turned into a share of this card by the exchange table.
struct ComputeFilter: DeviceRoomFilter {
    let name = "compute"
    let exchange: ExchangeTable

    func admits(_ ask: DeviceAsk, on device: DeviceRoom) -> Bool {
        device.isHeldWhole || ask.compute <= device.freeCompute
    }

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        guard let amount = request.placement.compute else { return nil }
        let placement = request.placement
        switch exchange.share(of: amount, class: placement.workloadClass, on: device.device) {
        case .failure(let unknown):
            return "asks for \(Self.words(amount)), how much of this device that is nobody knows: \(unknown.message)"
        case .success(let share):
            if share > DeviceState.wholeCompute {
                return "asks for \(Self.words(amount)), which is \(share / 1000).\(share % 1000 / 100) of this device"
            }
            guard !device.isHeldWhole, share > device.freeCompute else { return nil }
            let asked = Self.words(amount)
            let own = if case .share = amount { "" } else { " (\(Self.thousandths(share)) of it)" }
            return "asks for \(asked)\(own), \(Self.thousandths(device.freeCompute)) is free"
        }
    }

    static func words(_ amount: ComputeAmount) -> String {
        switch amount {
        case .share(let thousandths): "\(self.thousandths(thousandths)) of its compute"
        case .teraflops(let amount, let precision):
            "\(amount == amount.rounded() ? "\(Int(amount))" : "\(amount)") TFLOPS \(precision.rawValue)"
        }
    }

    private static func thousandths(_ share: some BinaryInteger) -> String {
        share % 10 == 0 ? "\(share / 10) %" : "\(share / 10).\(share % 10) %"
    }
}
