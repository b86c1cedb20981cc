extension SchedulerClient {
    package func queue() async throws -> QueueView { try await http.get(Routes.queue, as: QueueView.self) }

    package func queuePolicy() async throws -> QueuePolicyView {
        try await http.get(Routes.queuePolicy, as: QueuePolicyView.self)
    }

    package func defragment(_ request: DefragmentationRequest) async throws -> DefragmentationView {
        try await http.post(Routes.defragmentation, request, as: DefragmentationView.self)
    }
}
