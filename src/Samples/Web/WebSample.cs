using System.Threading.RateLimiting;
using Microsoft.ML.LoraInit.Samples.Web.Endpoints;
using Microsoft.ML.LoraInit.Samples.Web.Serving;
using Microsoft.ML.LoraInit.Samples.Web.Training;

namespace Microsoft.ML.LoraInit.Samples.Web;

/// <summary>The web application: a model behind <c>POST /predict</c>, its health, and a page to try it.</summary>
internal static class WebSample
{
    internal const long MaxRequestBytes = 64 << 10;

    /// <param name="args">
    /// <c>--model FILE</c> (trained at the first start if not given), <c>--poll SECONDS</c> between two looks at the file
    /// (default 1), <c>--concurrency N</c> predictions at a time (default two a core), <c>--queue N</c> requests that wait at
    /// most (default 1,000), <c>--timeout SECONDS</c> for a request, its arrival included (default 30), and what ASP.NET Core itself reads, such as <c>--urls http://127.0.0.1:5000</c>.
    /// </param>
    /// <exception cref="ArgumentException">An option cannot be used; the message says which and why.</exception>
    public static WebApplication Create(string[] args)
    {
        var builder = WebApplication.CreateBuilder(args);
        var settings = WebSettings.Read(builder.Configuration);

        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = MaxRequestBytes);
        // What a request did is the caller's to see; the log tells of models, and of what fails.
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        builder.Services.AddSingleton(settings);
        builder.Services.AddProblemDetails();
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = false);

        builder.Services.AddSingleton(new MLContext());
        builder.Services.AddSingleton<ModelFileLoader>();
        builder.Services.AddSingleton<Predictor>();
        builder.Services.AddSingleton<TrainingStatus>();
        if (settings.TrainIfMissing)
            builder.Services.AddHostedService<FirstModel>();
        builder.Services.AddHostedService<ModelFileWatcher>();
        builder.Services.AddHealthChecks().AddCheck<ModelHealthCheck>("model");

        // A bounded number of predictions at a time: more threads than that only wait for the same cores.
        builder.Services.AddSingleton(new ConcurrencyLimiter(new()
        {
            PermitLimit = settings.Concurrency,
            QueueLimit = settings.Queue,
            QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
        }));
        builder.Services.AddRequestTimeouts(timeouts =>
            timeouts.DefaultPolicy = new() { Timeout = settings.Timeout, TimeoutStatusCode = StatusCodes.Status408RequestTimeout });

        var app = builder.Build();
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseRequestTimeouts();
        app.Use(RequestChecks.Run);
        app.MapPredict();
        app.MapModelHealth();
        app.MapPage();
        return app;
    }
}
