/// How a device's temperature changes over days at comparable load: means of long bins, and their Theil-Sen slope (the
/// median of the slopes of all pairs), which single hot days do not move.
package struct TemperatureTrend: Hashable, Sendable, Codable {
    package struct Point: Hashable, Sendable, Codable {
        package var atMilliseconds: Int64
        package var value: Double

        package init(atMilliseconds: Int64, value: Double) {
            self.atMilliseconds = atMilliseconds
            self.value = value
        }
    }

    package private(set) var points: [Point] = []
    /// Degrees above the peers at equal power; otherwise degrees.
    private var isResidual = false
    private var binMilliseconds: Int64?
    private var total: Double = 0
    private var count: Double = 0
    /// Degrees a day; nil while there is too little to say.
    package private(set) var slope: Double?

    package init() {}

    package mutating func add(
        _ value: Double, isResidual residual: Bool, at now: Int64, policy: HealthPolicy.ThermalResidual.Trend
    ) {
        guard value.isFinite, abs(value) < 1000 else { return }
        if residual != isResidual {
            // Where peers were compared with, degrees alone say nothing until that is long ago.
            if isResidual, let last = points.last?.atMilliseconds ?? binMilliseconds {
                let (age, overflow) = now.subtractingReportingOverflow(last)
                guard overflow || age > 4 * policy.binSeconds * 1000 else { return }
            }
            self = TemperatureTrend()
            isResidual = residual
        }
        if let begin = binMilliseconds {
            let (age, overflow) = now.subtractingReportingOverflow(begin)
            if overflow || age < 0 {
                (binMilliseconds, total, count) = (nil, 0, 0)
            } else if age >= policy.binSeconds * 1000 {
                close(begin, policy)
            }
        }
        if binMilliseconds == nil { binMilliseconds = now }
        total += value
        count += 1
    }

    private mutating func close(_ begin: Int64, _ policy: HealthPolicy.ThermalResidual.Trend) {
        let mean = total / count
        if mean.isFinite, abs(mean) < 1000 { points.append(Point(atMilliseconds: begin, value: mean)) }
        points.removeFirst(max(0, points.count - policy.bins))
        (binMilliseconds, total, count) = (nil, 0, 0)
        slope = Self.slope(points, minimumDays: policy.minimumDays)
    }

    /// Degrees a day; nil below four points or `minimumDays` between the first and the last.
    package static func slope(_ points: [Point], minimumDays: Double) -> Double? {
        guard points.count >= 4, let first = points.first, let last = points.last else { return nil }
        func days(_ a: Point, _ b: Point) -> Double {
            (Double(b.atMilliseconds) - Double(a.atMilliseconds)) / 86_400_000
        }
        guard days(first, last) >= minimumDays else { return nil }
        var slopes: [Double] = []
        slopes.reserveCapacity(points.count * (points.count - 1) / 2)
        for i in points.indices {
            for j in points.index(after: i)..<points.endIndex {
                let time = days(points[i], points[j])
                if time > 0 { slopes.append((points[j].value - points[i].value) / time) }
            }
        }
        return slopes.median
    }
}

extension [Double] {
    var median: Double? {
        guard !isEmpty else { return nil }
        let ordered = sorted()
        let middle = count / 2
        return count.isMultiple(of: 2) ? (ordered[middle - 1] + ordered[middle]) / 2 : ordered[middle]
    }
}
