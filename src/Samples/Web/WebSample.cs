using System.Globalization;
using System.Threading.RateLimiting;
using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Samples.Web.Endpoints;
using Microsoft.ML.LoraInit.Samples.Web.Training;
using OpenTelemetry.Metrics;

namespace Microsoft.ML.LoraInit.Samples.Web;

/// <summary>The web application: models behind <c>POST /predict</c>, their health and metrics, and a page to try them.</summary>
internal static class WebSample
{
    internal const long MaxRequestBytes = 64 << 10;

    /// <param name="args">
    /// <c>--model FILE</c> or <c>--models:NAME FILE</c> (trained at the first start if neither is given), <c>--poll SECONDS</c> between two
    /// looks at a file (default 1), <c>--concurrency N</c> predictions at a time (default two a core), <c>--queue N</c> requests that wait at
    /// most (default 1,000), <c>--rate N</c> requests a second of one address (default 0, any number), <c>--timeout SECONDS</c> for a request,
    /// its arrival included (default 30), and what ASP.NET Core itself reads, such as <c>--urls http://127.0.0.1:5000</c>.
    /// </param>
    /// <exception cref="ArgumentException">An option cannot be used; the message says which and why.</exception>
    public static WebApplication Create(string[] args)
    {
        var builder = WebApplication.CreateBuilder(args);
        var settings = WebSettings.Read(builder.Configuration);

        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = MaxRequestBytes);
        // What a request did is the caller's to see; the log tells of models, and of what fails.
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None)
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // A start that fails is one line of Program.
        AddModels(builder.Services, settings);
        AddLimits(builder.Services, settings);
        builder.Services.AddOpenApi();
        builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics
            .AddMeter(LoraTextTelemetry.Meter, LoraTextTelemetry.ScoringMeter, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
            .AddPrometheusExporter());

        var app = builder.Build();
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseRequestTimeouts();
        app.Use(RequestChecks.Run);
        if (settings.Rate > 0)
            app.UseRateLimiter();
        app.Use(RequestArrival.Run);
        app.MapPredict();
        app.MapModelHealth();
        app.MapPage();
        app.MapOpenApi();
        app.MapPrometheusScrapingEndpoint();
        return app;
    }

    private static void AddModels(IServiceCollection services, WebSettings settings)
    {
        services.AddSingleton(settings);
        services.AddSingleton<TrainingStatus>();
        if (settings.TrainIfMissing)
            services.AddHostedService<FirstModel>();
        foreach (var model in settings.Models)
        {
            services.AddLoraText<Request, Answer>(model.Name, o =>
            {
                (o.ModelPath, o.PollInterval, o.MaxConcurrency, o.MaxQueue) = (model.Path, settings.Poll, settings.Concurrency, settings.Queue);
                o.TrialInputs.Add(new() { Text = "A first question." });
            });
            services.AddHealthChecks().AddLoraText(model.Name, tags: [HealthEndpoint.Ready]);
        }
    }

    private static void AddLimits(IServiceCollection services, WebSettings settings)
    {
        services.AddProblemDetails();
        services.AddExceptionHandler<ModelProblems>();
        services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = false);
        services.AddRequestTimeouts(timeouts =>
            timeouts.DefaultPolicy = new() { Timeout = settings.Timeout, TimeoutStatusCode = StatusCodes.Status408RequestTimeout });
        if (settings.Rate == 0)
            return;
        services.AddRateLimiter(limiter =>
        {
            limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            limiter.OnRejected = (context, _) =>
            {
                context.HttpContext.Response.Headers.RetryAfter = 1.ToString(CultureInfo.InvariantCulture);
                return ValueTask.CompletedTask;
            };
            limiter.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(http =>
                http.Request.Path.StartsWithSegments(HealthEndpoint.Route) || http.Request.Path.StartsWithSegments("/metrics")
                    ? RateLimitPartition.GetNoLimiter("")
                    : RateLimitPartition.GetTokenBucketLimiter(http.Connection.RemoteIpAddress?.ToString() ?? "", _ => new()
                    {
                        TokenLimit = settings.Rate,
                        TokensPerPeriod = settings.Rate,
                        ReplenishmentPeriod = TimeSpan.FromSeconds(1),
                    }));
        });
    }
}
