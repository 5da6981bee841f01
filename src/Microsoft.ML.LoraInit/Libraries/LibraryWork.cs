using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>Rows with the adapters that they name, which stay open for it, and their ids.</summary>
internal sealed class LibraryWork : IDisposable
{
    private readonly AdapterRegistry.Hold _held;
    private readonly (LibraryAdapter Adapter, TextPair Text)[] _texts;
    private readonly EncodedText[][] _encoded;
    private MixedLogits? _logits;

    /// <param name="registry">The library's adapters.</param>
    /// <param name="rows">Adapters and texts.</param>
    /// <param name="firstRow">The number of rows before these, for messages.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ArgumentException">An adapter is unknown, or lacks a second text; the message names the row.</exception>
    public LibraryWork(AdapterRegistry registry, IReadOnlyList<AdapterRequest> rows, long firstRow, CancellationToken cancellationToken)
    {
        _held = registry.Enter();
        try
        {
            _texts = new (LibraryAdapter Adapter, TextPair Text)[rows.Count];
            for (int i = 0; i < _texts.Length; i++)
            {
                var adapter = _held.Get(rows[i].Adapter, firstRow + i);
                if (adapter.Info.IsPair && rows[i].Text2 is null)
                    throw new ArgumentException($"Row {firstRow + i + 1}: the adapter '{adapter.Name}' reads pairs of texts, and there is no second text.");
                _texts[i] = (adapter, new(rows[i].Text, rows[i].Text2));
            }
            _encoded = MixedPredictor.Encode(_texts, cancellationToken);
        }
        catch
        {
            _held.Dispose();
            throw;
        }
    }

    /// <summary>Hands the rows to a device.</summary>
    public void Queue(MixedPredictor predictor) => _logits ??= predictor.Begin(_texts, _encoded);

    /// <summary>The predictions, in the rows' order.</summary>
    public AdapterPrediction[] Read(MixedPredictor predictor)
    {
        Queue(predictor);
        var logits = _logits!.Read();
        return [.. _texts.Select((t, i) => t.Adapter.Read(logits[i]))];
    }

    public void Dispose()
    {
        _logits?.Dispose();
        _held.Dispose();
    }
}
