using Microsoft.ML.LoraInit.Inference;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>Where the adapters of a library lie beside its base, and how rows of several are scored together. Any number of threads may use it.</summary>
internal interface IAdapterStore
{
    /// <summary>Puts an adapter in: a number of copies that depends on the adapter alone, not on how many there are.</summary>
    IAdapterWeights Add(AdapterFactors factors);

    /// <summary>Prepares a batch, in the current dispose scope.</summary>
    /// <param name="rows">Each row's adapter, which this store holds and which stays for the length of the batch.</param>
    IMixedBatch Begin(IReadOnlyList<IAdapterWeights> rows);
}

/// <summary>An adapter in the form that scores. Disposing of it takes it out of its store.</summary>
internal interface IAdapterWeights : IDisposable
{
    /// <summary>Number of logits a row.</summary>
    int Outputs { get; }

    /// <summary>Bytes held beside those of the state.</summary>
    long OwnBytes { get; }
}

/// <summary>A batch with rows of several adapters. Used by one thread, once.</summary>
internal interface IMixedBatch : IDisposable
{
    /// <summary>The rows in the order in which the encoder is to take them.</summary>
    IReadOnlyList<int> Order { get; }

    /// <summary>What adapters change, in that order.</summary>
    IReadOnlyList<AdapterSlice> Slices { get; }

    /// <summary>Logits of all rows: blocks fp32 [rows, width], where a row's logits are its first numbers; in the current dispose scope.</summary>
    /// <param name="first">The first tokens' states, fp32 [rows, hidden], in <see cref="Order"/>.</param>
    /// <returns>Each block with the rows' numbers before they were ordered.</returns>
    IEnumerable<(IReadOnlyList<int> Rows, Tensor Logits)> Logits(Tensor first);
}
