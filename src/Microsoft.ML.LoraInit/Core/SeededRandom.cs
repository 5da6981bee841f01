using System.Text;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): random numbers that are the same on every platform and version, so
/// that a data order can be computed again from a seed instead of being stored.
/// </summary>
internal sealed class SeededRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        return Mix(_state);
    }

    /// <summary>Uniform in [0, bound), without modulo bias.</summary>
    public int Next(int bound) => (int)(((UInt128)Next() * (ulong)bound) >> 64);

    /// <summary>A uniformly drawn permutation of 0..count−1 (Fisher and Yates).</summary>
    public int[] Permutation(int count)
    {
        var order = Enumerable.Range(0, count).ToArray();
        Shuffle(order.AsSpan());
        return order;
    }

    public void Shuffle<T>(Span<T> items)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    /// <summary>A seed for one purpose, from the run's seed and the purpose's name.</summary>
    public static ulong Hash(int seed, string purpose)
    {
        // FNV-1a over the UTF-8 bytes, mixed with the seed.
        ulong hash = 0xCBF29CE484222325;
        foreach (byte b in Encoding.UTF8.GetBytes(purpose))
            hash = (hash ^ b) * 0x100000001B3;
        return Mix(hash ^ Mix((ulong)(uint)seed + 0x9E3779B97F4A7C15));
    }

    /// <summary>SplitMix64's mixer: neighbouring inputs give unrelated outputs.</summary>
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
