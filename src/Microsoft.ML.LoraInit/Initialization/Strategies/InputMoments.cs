using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Strategies;

/// <summary>The second moments of the layers' inputs on training rows, one matrix [in, in] a distinct input.</summary>
internal sealed class InputMoments : IDisposable
{
    private readonly SharedInputs _inputs = new();
    private readonly Dictionary<string, SecondMoment> _moments = [];

    /// <summary>Runs over up to <paramref name="batches"/> batches of training rows.</summary>
    /// <param name="context">Gives the inputs.</param>
    /// <param name="batchSize">Rows a batch.</param>
    /// <param name="batches">Batches, or null for all.</param>
    /// <param name="form">What is added up and divided by.</param>
    public static InputMoments Gather(InitializationContext context, int batchSize, int? batches, MomentForm form)
    {
        var result = new InputMoments();
        try
        {
            long visits = 0;
            context.VisitActivations(batchSize, batches, 1, (target, x, lengths) =>
            {
                context.Report("Second moments of the layers' inputs", ++visits, batches is { } all ? (long)all * context.Targets.Count : 0);
                result.Add(target, x, lengths, form);
                return true;
            });
            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    /// <summary>C of the layer's input, fp64 [in, in].</summary>
    public Tensor Of(AdapterTarget target) => _moments[_inputs.Representative(target).ModuleName].Value();

    /// <summary>Layers with one and the same input have one name here.</summary>
    public string InputName(AdapterTarget target) => _inputs.Representative(target).ModuleName;

    private void Add(AdapterTarget target, Tensor x, IReadOnlyList<int> lengths, MomentForm form)
    {
        if (_inputs.Representative(target, x) != target)
            return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (!_moments.TryGetValue(target.ModuleName, out var moment))
            _moments[target.ModuleName] = moment = new SecondMoment((int)x.shape[1], x.device);
        moment.Add(form switch
        {
            MomentForm.NormalizedBatchesOverTokens => x / x.abs().max().ClampMin(float.Epsilon),
            MomentForm.NormalizedSamples => SampleScale.Normalized(x, lengths),
            _ => x,
        }, form is MomentForm.Samples or MomentForm.NormalizedSamples ? lengths.Count : null);
    }

    public void Dispose()
    {
        foreach (var moment in _moments.Values)
            moment.Dispose();
    }
}

/// <summary>What a second moment adds up, and what it divides the sum by.</summary>
internal enum MomentForm
{
    /// <summary>XᵀX / tokens.</summary>
    Tokens,

    /// <summary>The same of batches divided by their largest size.</summary>
    NormalizedBatchesOverTokens,

    /// <summary>XᵀX / samples, a sample being a row of text.</summary>
    Samples,

    /// <summary>The same of samples divided by |max|.</summary>
    NormalizedSamples,
}
