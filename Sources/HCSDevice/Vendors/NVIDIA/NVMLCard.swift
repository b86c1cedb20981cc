import CVendorABI
import HCSModel

/// What a card is asked for. One that says "not supported" is not asked for it again before the next inventory.
enum NVMLQuestion: Hashable {
    case memory, memoryV2, utilization, temperature, temperatureV, power, powerLimit, energy
    case clock(UInt32), clockMaximum(UInt32), threshold(UInt32), eventReasons, throttleReasons
    case eccMode, eccTotal(UInt32, UInt32), eccPlace(UInt32, UInt32, UInt32)
    case retiredPages(UInt32), retiredPending, remappedRows, rowHistogram
    case pcieGeneration, pcieGenerationMaximum, pcieWidth, pcieWidthMaximum, pcieReplays
    case fields, field(Int32), linkState(UInt32), linkErrors(UInt32, UInt32)
    case computeProcesses, graphicsProcesses, mpsProcesses
    case migMode, migCount, migInstance, gpuInstance, computeInstance, attributes, cores, capability, pci
}

/// A card of the last inventory: its handle, which holds for the library's session, and what is not read each time.
final class NVMLCard {
    let library: NVMLLibrary
    let handle: nvmlDevice_t
    let id: DeviceID
    let index: UInt32
    var pci: PCIAddress?

    /// Not empty: the card is cut up and these are the devices.
    var instances: [NVMLInstance] = []
    /// Lanes of NVLink by number.
    var lanes: [UInt32] = []
    /// Figures that do not change while the driver is loaded.
    var fixed = SignalReadings()
    /// Figures read in turn, as they were then.
    var slow = SignalReadings()
    var pcieCounters: NVMLPCIeCounters?

    private var refused: Set<NVMLQuestion> = []
    /// It answered that it has fallen off the bus.
    private(set) var isLost = false
    /// It answered that it does nothing more before a reset.
    private(set) var needsReset = false

    init(_ library: NVMLLibrary, handle: nvmlDevice_t, id: DeviceID, index: UInt32) {
        self.library = library
        self.handle = handle
        self.id = id
        self.index = index
    }

    /// What an earlier inventory's card knew, for the same one.
    func inherit(from earlier: NVMLCard) {
        slow = earlier.slow
        pcieCounters = earlier.pcieCounters
    }

    /// Before a pass: a card may have come back.
    func forgetAnswers() {
        isLost = false
        needsReset = false
    }

    /// Whether the call succeeded. What it answered otherwise is remembered.
    func ask(_ question: NVMLQuestion, _ call: () -> nvmlReturn_t?) -> Bool {
        guard !isLost, !refused.contains(question) else { return false }
        let result = call() ?? NVML_ERROR_FUNCTION_NOT_FOUND
        switch result {
        case NVML_SUCCESS: return true
        case NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_FUNCTION_NOT_FOUND: refused.insert(question)
        case NVML_ERROR_GPU_IS_LOST, NVML_ERROR_GPU_NOT_FOUND: isLost = true
        case NVML_ERROR_RESET_REQUIRED: needsReset = true
        default: library.judge(result, of: "device \(index)")
        }
        return false
    }

    func refuses(_ question: NVMLQuestion) -> Bool { refused.contains(question) }

    func refuse(_ question: NVMLQuestion) { refused.insert(question) }

    func number(_ question: NVMLQuestion, _ call: (inout UInt32) -> nvmlReturn_t?) -> Double? {
        var value: UInt32 = 0
        return ask(question) { call(&value) } ? Double(value) : nil
    }

    func wide(_ question: NVMLQuestion, _ call: (inout UInt64) -> nvmlReturn_t?) -> UInt64? {
        var value: UInt64 = 0
        return ask(question) { call(&value) } ? value : nil
    }
}

/// A MIG instance that is a device: the part of its card with this handle.
struct NVMLInstance {
    var id: DeviceID
    var handle: nvmlDevice_t
    /// Of the GPU and the compute instance, as process lists and events name them.
    var gpu: UInt32?
    var compute: UInt32?
    /// Others are compute instances of the same GPU instance: each is told all of its memory.
    var sharesMemory = false

    func isNamed(gpu: UInt32, compute: UInt32) -> Bool {
        self.gpu == gpu && (compute == NVML_NO_INSTANCE || self.compute == nil || self.compute == compute)
    }
}
