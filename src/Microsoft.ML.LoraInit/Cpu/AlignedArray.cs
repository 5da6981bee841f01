using System.Runtime.CompilerServices;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>
/// Numbers that begin at a cache line and stay where they are. The collector owns them, so a model that nobody disposes of
/// (a <c>PredictionEnginePool</c> that has replaced it) leaves nothing behind.
/// </summary>
/// <remarks>Whoever uses <see cref="Pointer"/> keeps this object alive meanwhile.</remarks>
internal sealed unsafe class AlignedArray<T>
    where T : unmanaged
{
    private const int CacheLine = 64;

    private readonly T[] _memory;

    /// <param name="length">Numbers; all are 0.</param>
    public AlignedArray(long length)
    {
        _memory = GC.AllocateArray<T>(checked((int)length + (CacheLine / sizeof(T))), pinned: true);
        nint start = (nint)Unsafe.AsPointer(ref _memory[0]);
        Pointer = (T*)((start + CacheLine - 1) & ~(nint)(CacheLine - 1));
        Length = (int)length;
    }

    public T* Pointer { get; }

    public int Length { get; }

    public Span<T> Span => new(Pointer, Length);

    public T this[int index]
    {
        get => Span[index];
        set => Span[index] = value;
    }
}
