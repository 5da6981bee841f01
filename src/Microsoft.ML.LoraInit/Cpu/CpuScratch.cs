namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>Memory for the time of an operation: pinned, not cleared, kept by its thread for the next one.</summary>
internal static unsafe class CpuScratch
{
    [ThreadStatic]
    private static Stack<AlignedArray<byte>>? _free;

    /// <summary>Room for so many numbers. Give the result to <see cref="Return"/> on the same thread; an exception may lose it to the collector.</summary>
    public static AlignedArray<byte> Floats(long count, out float* pointer)
    {
        var memory = Bytes(count * sizeof(float), out byte* bytes);
        pointer = (float*)bytes;
        return memory;
    }

    /// <inheritdoc cref="Floats"/>
    public static AlignedArray<byte> Bytes(long count, out byte* pointer)
    {
        var free = _free ??= new();
        if (!free.TryPop(out var memory) || memory.Length < count)
            memory = new(Math.Max(1 << 16, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)count)));
        pointer = memory.Pointer;
        return memory;
    }

    public static void Return(AlignedArray<byte> memory) => _free!.Push(memory);
}
