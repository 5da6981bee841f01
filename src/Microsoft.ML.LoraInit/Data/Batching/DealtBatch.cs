namespace Microsoft.ML.LoraInit.Data.Batching;

/// <summary>A batch dealt out to devices: consecutive rows in as equal shares as there are, the first ones the larger.</summary>
/// <param name="Shares">One a device; null for one without rows, where the batch has fewer rows than there are devices.</param>
internal sealed record DealtBatch(IReadOnlyList<BatchBuffer?> Shares) : IDisposable
{
    /// <param name="rows">The batch's rows.</param>
    /// <param name="devices">How many there are.</param>
    /// <param name="pack">Packs a share of one row or more, of the batch size over the devices, rounded up, at most.</param>
    public static DealtBatch Build(int[] rows, int devices, Func<int[], BatchBuffer> pack) => new(
        [.. Enumerable.Range(0, devices).Select(device => Share(rows, devices, device)).Select(share => share.Length == 0 ? null : pack(share))]);

    /// <summary>The rows of a device.</summary>
    public static int[] Share(int[] rows, int devices, int device)
    {
        return rows[Start(device)..Start(device + 1)];

        int Start(int which) => (int)(((long)which * rows.Length + devices - 1) / devices);
    }

    public void Dispose()
    {
        foreach (var share in Shares)
            share?.Dispose();
    }
}
