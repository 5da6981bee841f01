using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.ML;
using Microsoft.Extensions.Options;

namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>What <c>FromFile</c> is, for models that hold native memory and files that are replaced while they serve.</summary>
internal static class ReplaceableFile
{
    /// <summary>The pool's default model comes from this file through <see cref="ModelFileLoader"/>.</summary>
    public static PredictionEnginePoolBuilder<TData, TPrediction> FromReplaceableFile<TData, TPrediction>(
        this PredictionEnginePoolBuilder<TData, TPrediction> builder, string path)
        where TData : class
        where TPrediction : class, new()
    {
        builder.Services.TryAddSingleton(services => new ModelFileLoader(
            services.GetRequiredService<IOptions<MLOptions>>().Value.MLContext, path, services.GetRequiredService<ILogger<ModelFileLoader>>()));
        builder.Services.AddOptions<PredictionEnginePoolOptions<TData, TPrediction>>(string.Empty)
            .Configure<ModelFileLoader>((options, loader) => options.ModelLoader = loader);
        return builder;
    }
}
