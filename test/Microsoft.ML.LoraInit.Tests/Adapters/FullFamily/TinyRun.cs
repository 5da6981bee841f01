using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;

namespace Microsoft.ML.LoraInit.Tests.Adapters.FullFamily;

/// <summary>The tiny model with a method of full fine-tuning on, to be moved by hand.</summary>
internal sealed class TinyRun : IDisposable
{
    private readonly BaseWeights _weights = TinyModel.Base();
    private readonly MethodRun _run;

    /// <param name="method">The method.</param>
    /// <param name="decay">Of every parameter.</param>
    public TinyRun(FineTuningMethod method, double decay = 0)
    {
        Model = TinyModel.Create(_weights);
        method.Apply(Model, new(new AdapterSettings(), 0, [], []));
        Parameters = new TrainableParameters(Model.Parameters);
        _run = new(Model, Parameters, 9, 0, new AdapterSettings()) { Decay = _ => decay };
        Hooks = method.Hooks(_run)!;
    }

    public RobertaClassifier Model { get; }

    public TrainableParameters Parameters { get; }

    public MethodHooks Hooks { get; }

    public FlatPlace Place(string name) => _run.Place(Parameters.Parameters.Single(p => p.Name == name));

    public void Dispose()
    {
        Hooks.Dispose();
        Parameters.Dispose();
        Model.Dispose();
        _weights.Dispose();
    }
}
