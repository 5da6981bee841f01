using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Roberta;
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
    /// <param name="normalize">Whether each batch is divided by its largest size first.</param>
    public static InputMoments Gather(InitializationContext context, int batchSize, int? batches, bool normalize)
    {
        var result = new InputMoments();
        try
        {
            long visits = 0;
            context.VisitActivations(batchSize, batches, (target, x) =>
            {
                context.Report("Second moments of the layers' inputs", ++visits, batches is { } all ? (long)all * context.Targets.Count : 0);
                result.Add(target, x, normalize);
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

    /// <summary>C = XᵀX / rows of the layer's input, fp64 [in, in].</summary>
    public Tensor Of(AdapterTarget target) => _moments[_inputs.Representative(target).ModuleName].Value();

    /// <summary>Layers with one and the same input have one name here.</summary>
    public string InputName(AdapterTarget target) => _inputs.Representative(target).ModuleName;

    private void Add(AdapterTarget target, Tensor x, bool normalize)
    {
        if (_inputs.Representative(target, x) != target)
            return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (!_moments.TryGetValue(target.ModuleName, out var moment))
            _moments[target.ModuleName] = moment = new SecondMoment((int)x.shape[1], x.device);
        moment.Add(normalize ? x / x.abs().max().clamp_min(float.Epsilon) : x);
    }

    public void Dispose()
    {
        foreach (var moment in _moments.Values)
            moment.Dispose();
    }
}
